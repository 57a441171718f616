"""`python -m jobs.cli` is `textmill`."""

from jobs.cli import main

main()
