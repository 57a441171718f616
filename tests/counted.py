"""Something that counts how often it is pickled."""

from typing import Any


class Counted:
    """Counts how often it is pickled."""

    times = 0

    def __reduce__(self) -> tuple[Any, ...]:
        Counted.times += 1
        return Counted, ()
