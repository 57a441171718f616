"""The card of a model in a folder: what its README.md says at its head, as models of the Hugging Face hub do."""

from pathlib import Path

from schemas.manifest import ModelCard

_MAX_HEAD_BYTES = 65_536
_RULE = "---"


def read_card(folder: Path, name: str) -> tuple[ModelCard, str | None]:
    """The card and the licence; what nobody says is null, and a limit says so."""
    head = _head(folder / "README.md")

    def said(key: str) -> str | None:
        return ", ".join(head.get(key, ())) or None

    limits = [] if head else ["Nothing is known of its limits: the folder has no model card."]
    base = said("base_model")
    source = f"{name}, made from {base}" if base else name
    card = ModelCard(title=said("model_name") or name, source=source, languages=said("language"), limits=limits)
    return card, said("license_name") or said("license")


def _head(file: Path) -> dict[str, list[str]]:
    """The top-level keys between the first two rules, each with its value or the items of its list.

    It is YAML of the plainest kind, of which nothing else is of interest here.
    """
    try:
        with file.open("rb") as stream:
            lines = stream.read(_MAX_HEAD_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return {}
    if not lines or lines[0].strip() != _RULE or _RULE not in map(str.strip, lines[1:]):
        return {}
    found: dict[str, list[str]] = {}
    key = ""
    for line in lines[1 : 1 + list(map(str.strip, lines[1:])).index(_RULE)]:
        name, colon, value = line.partition(":")
        if line.lstrip().startswith("- ") and key:
            found[key].append(_bare(line.lstrip()[2:]))
        elif colon and line[:1].isalpha():
            key = name.strip()
            values = value.strip().removeprefix("[").removesuffix("]").split(",")
            found[key] = [bare for one in values if (bare := _bare(one))]
    return found


def _bare(value: str) -> str:
    return value.strip().strip("\"'")
