"""The errors of Textmill.

    TextmillError
    ├── RowError         this row has no result: it becomes a dead letter and the run goes on
    └── RunError         the run cannot go on: one line, a hint, an exit code
        ├── EngineDied   1    the engine failed, and another may fare better; AdapterChanged: none would
        ├── UsageError   2    bad usage, configuration or input, found before anything was spent
        └── Interrupted  130  stopped from outside; what was computed is kept

Every error survives pickling, for errors cross process borders in Beam.
"""

from schemas.envelope import ErrorClass


class TextmillError(Exception):
    """Base of all errors raised on purpose."""


class RowError(TextmillError):
    """One row cannot have a result.

    Args:
        error_class: why, from the closed list.
        message: one line for a person.
        answer: what the model answered, where it did.
    """

    def __init__(self, error_class: ErrorClass, message: str, answer: str | None = None) -> None:
        super().__init__(error_class, message, answer)
        self.error_class = error_class
        self.message = message
        self.answer = answer

    def __str__(self) -> str:
        return f"{self.error_class}: {self.message}"


class RunError(TextmillError):
    """The run cannot go on.

    Args:
        message: one line that says what is wrong.
        hint: one line that says what to do, or empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class EngineDied(RunError):
    """The engine failed as a whole; another one may fare better."""


class AdapterChanged(RunError):
    """An adapter is not any more what its answers would be kept under; starting the engine again does not help."""


class UsageError(RunError):
    """Bad usage, configuration or input: nothing was spent."""

    exit_code = 2


class Interrupted(RunError):
    """The run was stopped from outside and can be resumed by the same command."""

    exit_code = 130


def one_line(said: BaseException | str) -> str:
    """What an error of a library's or a server says, all of it on one line, unless it is very long."""
    return " ".join((str(said) or type(said).__name__).split())[:300]


def first_line(error: BaseException) -> str:
    """What an error of a library's says, on one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
