"""The intents of a run: the common ones, some of them, or a user's own."""

import string
import tomllib
from collections.abc import Sequence

from pydantic import ValidationError

from jobs.reply_data import Intent, reply_data
from jobs.text_files import read_text_file
from pipeline.errors import UsageError

LETTERS = string.ascii_uppercase
"""What intents can go by, and so how many there may be."""


def choose_intents(names: Sequence[str], file: str | None) -> dict[str, str]:
    """Name → description of each intent to choose from.

    Args:
        names: names of intents, common ones or others; all common ones if there are none.
        file: TOML file to take them from instead.

    Raises:
        UsageError: if the file cannot be read, or the names are too few, too many or not all different.
    """
    common = {intent.name: intent.description for intent in reply_data().intents}
    if file:
        intents = _read_intents(file)
    else:
        intents = [(name.strip(), common.get(name.strip(), "")) for name in names or common]
    found = dict(intents)
    if len(found) < len(intents) or not all(found) or not 2 <= len(found) <= len(LETTERS):
        raise UsageError(f"give 2 to {len(LETTERS)} different intents, each with a name")
    return found


def _read_intents(path: str) -> list[tuple[str, str]]:
    try:
        tables = tomllib.loads(read_text_file(path, "intents")).get("intents")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"cannot read the intents {path}: {error}") from None
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"the intents {path} have no [[intents]]", "each with name and description")
    try:
        intents = [Intent.model_validate(table) for table in tables]
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"the intents {path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return [(intent.name.strip(), " ".join(intent.description.split())) for intent in intents]
