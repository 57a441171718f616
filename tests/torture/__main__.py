"""`python -m tests.torture kills | fuzz | faults | day | real`: see CONTRIBUTING.md."""

import argparse
import gc
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.torture import day, faults, fuzz, kills, real


def main() -> int:
    """Run one of the programs; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("program", choices=["kills", "fuzz", "faults", "day", "real"])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="the same seed does the same again")
    parser.add_argument("--number", type=int, default=300, help="how many kills, inputs, or hours")
    parser.add_argument("--rows", type=int, default=900, help="the most rows of a file that is killed over")
    arguments = parser.parse_args()
    print(f"{arguments.program}: seed {arguments.seed}", flush=True)
    gc.freeze()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    if arguments.program == "kills":
        code = kills.main(arguments.seed, arguments.number, folder, arguments.rows)
    elif arguments.program == "fuzz":
        code = fuzz.main(arguments.seed, arguments.number, folder)
    elif arguments.program == "faults":
        code = faults.main(arguments.seed, folder)
    else:
        program = day if arguments.program == "day" else real
        code = program.main(arguments.seed, arguments.number, folder)
    if code == 0:
        shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
