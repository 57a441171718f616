"""What a run did not have to compute, and why: from all that its rows asked down to what the engine computed."""

from dataclasses import dataclass

from schemas.manifest import Tokens


@dataclass(frozen=True)
class Savings:
    """A waterfall, in tokens of prompts and answers: `asked` less the three that follow is `computed`.

    Attributes:
        asked: what each row would have cost by itself.
        duplicates: asked for by another row of the run, too.
        stored: answered by an earlier run.
        cached: beginnings of prompts that the engine's prefix cache held.
        computed: the rest.
    """

    asked: int
    duplicates: int
    stored: int
    cached: int
    computed: int

    @property
    def share(self) -> float:
        """The part of what was asked that was saved, from 0 to 1."""
        return 1 - self.computed / self.asked if self.asked else 0.0


def savings_of(tokens: Tokens) -> Savings:
    """The waterfall of a run's tokens."""
    handled = tokens.prompt + tokens.output
    return Savings(
        asked=tokens.duplicates + tokens.stored + handled,
        duplicates=tokens.duplicates,
        stored=tokens.stored,
        cached=tokens.cached_prompt,
        computed=handled - tokens.cached_prompt,
    )
