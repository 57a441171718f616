"""`textmill sample`."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.terminal import own_terminal

sample_app = typer.Typer(
    help="Data to try things on: rated reviews by people, and inputs of our own writing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Source(StrEnum):
    """Where rated reviews come from."""

    AMAZON = "amazon"
    MOVIE = "movie"
    TWEETS = "tweets"


@sample_app.command("reviews")
def sample_reviews(
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.", metavar="FILE.PARQUET")],
    source: Annotated[
        list[Source] | None, typer.Option(help="Only these; may be repeated. [default: amazon and movie]")
    ] = None,
) -> None:
    """Write short texts that people have rated: id, text, source, human_rating, human_rating_std, human_ratings."""
    from jobs.samples import write_reviews

    with own_terminal() as terminal:
        num_rows = write_reviews(file, tuple(source or (Source.AMAZON, Source.MOVIE)), terminal.say)
    print(f"{num_rows:,} rated reviews in {file}")


_OWN_SAMPLES = {
    "sentences": "texts to translate: product pages, interface strings, mails, with much that must survive",
    "briefs": "content briefs in seven languages, for twelve formats",
    "conversations": "support conversations in seven languages, with policies",
    "tickets": "support tickets and orders, with a category each",
}


def _sample_command(name: str) -> Callable[[Path], None]:
    def command(
        file: Annotated[Path, typer.Argument(help="The Parquet file to write.", metavar="FILE.PARQUET")],
    ) -> None:
        from jobs.samples import write_own

        print(f"{write_own(name, file)} {name} in {file}")

    return command


for _name, _about in _OWN_SAMPLES.items():
    sample_app.command(_name, help=f"Write 60 {_about}; of our own writing.")(_sample_command(_name))
