"""Text files that options name."""

from pathlib import Path

from pipeline.errors import UsageError


def read_text_file(path: str | None, what: str) -> str:
    """What a text file holds, without white space around it; nothing without a path.

    Args:
        path: as the option has it.
        what: what the file holds, for the message of an error.

    Raises:
        UsageError: if it cannot be read, or holds nothing.
    """
    if path is None:
        return ""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the {what} {path}: {error}") from None
    if not text:
        raise UsageError(f"the {what} {path} is empty")
    return text
