"""What a person sees: our progress on the terminal, everybody else's chatter in the log file."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipeline import metrics
from pipeline.watching import watching

_PLAIN_SECONDS = 5.0
_REFRESH_SECONDS = 0.25


class Terminal:
    """Messages and progress, on standard error: standard output is for results.

    Args:
        stream: where to write.
        quiet: write nothing.
    """

    def __init__(self, stream: TextIO, quiet: bool = False) -> None:
        self.console = Console(file=stream, quiet=quiet, highlight=False, soft_wrap=True)

    def say(self, message: str) -> None:
        """One line about what takes a while."""
        self.console.print(f"  {message} …", style="dim", markup=False)

    def tell(self, message: str) -> None:
        """One line about what is so."""
        self.console.print(f"  {message}", markup=False)

    @contextmanager
    def progress(self, total_rows: int, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
        """Show how far the run is while the block runs: a live line on a terminal, else a plain one now and then."""
        watch = self._watch_live if self.console.is_terminal else self._watch_plain
        with watching(lambda done: watch(total_rows, done, clock)):
            yield

    @contextmanager
    def steps(
        self, what: str, total: int, clock: Callable[[], float] = time.monotonic
    ) -> Iterator[Callable[[int], None]]:
        """Show how much of some work is done; gives the function to be told of so much more of it."""
        if self.console.is_terminal:
            columns = (TextColumn("  {task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
            with Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True) as bar:
                task = bar.add_task(what, total=total)
                yield lambda by: bar.advance(task, by)
            return
        done, said_at = 0, clock()

        def advance(by: int) -> None:
            nonlocal done, said_at
            done += by
            if clock() - said_at >= _PLAIN_SECONDS:
                said_at = clock()
                self.console.print(f"  {what}: {done} of {total}", markup=False)

        yield advance

    def _watch_live(self, total: int, done: threading.Event, clock: Callable[[], float]) -> None:
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rates]}"),
            TimeElapsedColumn(),
        )
        meter = Meter(total, clock)
        # Without rich's own redirection, which would bring to the terminal what `chatter_to` sends to the log.
        bar = Progress(*columns, console=self.console, transient=True, redirect_stdout=False, redirect_stderr=False)
        with bar:
            task = bar.add_task("reading", total=total, rates="")
            while True:
                rows, phase, rates = meter.read()
                bar.update(task, completed=rows, description=phase, rates=rates)
                if done.wait(_REFRESH_SECONDS):
                    break

    def _watch_plain(self, total: int, done: threading.Event, clock: Callable[[], float]) -> None:
        meter = Meter(total, clock)
        while not done.wait(_PLAIN_SECONDS):
            rows, phase, rates = meter.read()
            self.console.print(f"  {phase}: {rows} of {total} rows{', ' if rates else ''}{rates}", markup=False)


class Meter:
    """Reads the board of counters as words.

    Args:
        total: rows of the run.
        clock: seconds that only grow.
    """

    def __init__(self, total: int, clock: Callable[[], float]) -> None:
        self._total, self._clock = total, clock
        self._first: tuple[float, int, int] | None = None

    def read(self) -> tuple[int, str, str]:
        """Rows done, what is going on, and rates with the time that is left once the engine works."""
        board = metrics.board()
        rows, tokens = metrics.rows_done(board), board[metrics.PROMPT_TOKENS] + board[metrics.OUTPUT_TOKENS]
        if not board[metrics.SENT]:
            return rows, "reading", ""
        if not board[metrics.ENGINE_STARTS]:
            return rows, "starting the engine", ""
        now = self._clock()
        if self._first is None:
            self._first = (now, rows, tokens)
        since, rows_before, tokens_before = self._first
        if now <= since or rows <= rows_before:
            return rows, "answering", ""
        if rows >= self._total:
            again = board[metrics.ASKED_AGAIN]
            return rows, "finishing", f"{again:,} answers to further questions" if again else ""
        rate = (rows - rows_before) / (now - since)
        left = (self._total - rows) / rate
        token_rate = (tokens - tokens_before) / (now - since)
        return rows, "answering", f"{rate:,.1f} rows/s, {token_rate:,.0f} tokens/s, {duration(left)} left"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def own_terminal(quiet: bool = False) -> Iterator[Terminal]:
    """A terminal on what is standard error now, which it keeps while `chatter_to` sends that to a log."""
    if not _is_real(2):
        yield Terminal(sys.stderr, quiet)
        return
    with os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace") as stream:
        yield Terminal(stream, quiet)


@contextmanager
def chatter_to(log: Path) -> Iterator[None]:
    """Send what libraries log and print to a file, and warnings too, while the block runs.

    Streams that are real files are redirected below Python, for engines write from C++ as well.
    """
    logging.captureWarnings(True)
    root, handler = logging.getLogger(), logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    saved = [(number, os.dup(number)) for number in (1, 2) if _is_real(number)]
    _flush()
    with log.open("ab") as sink:
        for number, _ in saved:
            os.dup2(sink.fileno(), number)
    try:
        yield
    finally:
        _flush()
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)
        root.handlers[:] = before
        root.setLevel(level)
        handler.close()
        logging.captureWarnings(False)


def _is_real(number: int) -> bool:
    stream = (sys.stdout, sys.stderr)[number - 1]
    try:
        return stream.fileno() == number
    except (OSError, ValueError, AttributeError):
        return False


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def printable(text: str) -> str:
    """Text with its control characters made visible: what comes from rows must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def in_bytes(number: int) -> str:
    """A size as a person says it."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"


def plain_table(title: str | None, columns: list[str], rows: list[list[str]]) -> Table:
    """A table without frills; texts are shown as they are, whatever they hold."""
    from rich.box import SIMPLE_HEAD
    from rich.text import Text

    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in columns:
        table.add_column(Text(printable(name)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def print_wide(table: Table) -> None:
    """Print a table with one line a row, however narrow the terminal is: names are there to be copied."""
    console = Console(highlight=False)
    console.width = max(console.width, console.measure(table, options=console.options.update(max_width=1_000)).maximum)
    console.print(table)
