"""A task whose answers cannot be read: its run fails after the first answers."""

from jobs.tasks.sentiment import Sentiment
from pipeline.errors import RunError


class TASK(Sentiment):
    """Fails."""

    name = "failing"

    def read(self, *_: object) -> None:
        raise RunError("no more")
