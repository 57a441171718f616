"""An adapter's folder takes the place of an earlier one, of nothing else, and none is lost on the way."""

import shutil
from pathlib import Path

from pipeline.errors import UsageError
from schemas.adapter import CARD_NAME


def refuse_other_folder(folder: Path) -> None:
    """What is not an adapter is not replaced.

    Raises:
        UsageError: if something else is there.
    """
    if folder.is_dir() and ((folder / CARD_NAME).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise UsageError(f"{folder} is there and is no adapter", "give another folder with --out")


def replace_folder(new: Path, folder: Path) -> None:
    """Move `new` to `folder`; at each moment there is a whole one, if only as `.NAME.old` or `new`."""
    old = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
