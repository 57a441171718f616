"""Fetching packages as data: pip downloads them and checks their hashes, nothing of them is imported or built."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from pipeline.errors import RunError


@dataclass(frozen=True)
class Package:
    """A package file on the index: `name==version`, and the sha256 of its only acceptable file."""

    requirement: str
    sha256: str
    source_archive: bool = False


def download(packages: Sequence[Package], folder: Path) -> list[Path]:
    """Download packages into `folder` with pip's own hash checking; the files in the order asked.

    Raises:
        RunError: if pip is missing, the index cannot be reached, or a file is not the expected one.
    """
    before = set(folder.iterdir())
    files: list[Path] = []
    for package in packages:
        _pip_download(package, folder)
        (new,) = set(folder.iterdir()) - before
        before.add(new)
        files.append(new)
    return files


def _pip_download(package: Package, folder: Path) -> None:
    kind = "--no-binary" if package.source_archive else "--only-binary"
    with NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(f"{package.requirement} --hash=sha256:{package.sha256}\n")
        requirements.flush()
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += [f"{kind}=:all:", "--no-build-isolation", "--dest", str(folder), "-r", requirements.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr.strip())
        raise RunError(
            f"could not fetch {package.requirement} with pip: {reason or 'no reason given'}",
            "check the network and pip's index settings; the file is checked against its sha256",
        )
