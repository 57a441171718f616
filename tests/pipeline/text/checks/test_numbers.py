"""Numbers come from what was given."""

from pipeline.text import checks
from schemas.results import Check


def test_numbers_come_from_the_sources() -> None:
    brief = "20 W, 1.5 m cable, three colours, model X200"
    answer = "The #1 lamp:\n1. 20 W\n2. A cable of 1,5 m\n3. Comes in 3 colours\n4. Model 200"
    assert checks.numbers_from(answer, "", brief) == Check(name="numbers", passed=True)
    assert checks.numbers_from("A pack of 3 with 2 years of warranty", "three-pack, two-year warranty").passed
    assert "'25'" in checks.numbers_from("It has 25 W and 20 W.", brief).detail
    assert not checks.numbers_from("9. A lamp", brief).passed
