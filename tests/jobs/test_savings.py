"""What a run saved, held against what its rows would have cost one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.savings import savings_of
from schemas.manifest import Tokens


@given(*[st.integers(0, 10**9)] * 4, st.integers(0, 100))
def test_the_parts_add_up(prompt: int, output: int, stored: int, duplicates: int, percent: int) -> None:
    cached = prompt * percent // 100
    tokens = Tokens(prompt=prompt, output=output, cached_prompt=cached, stored=stored, duplicates=duplicates)
    saved = savings_of(tokens)
    assert saved.asked == saved.duplicates + saved.stored + saved.cached + saved.computed
    assert 0 <= saved.share <= 1


@pytest.mark.parametrize("rows_in_wave", [200_000, 25])
def test_what_was_asked_is_what_all_rows_would_have_cost(
    rows_in_wave, run, write_parquet, results, monkeypatch
) -> None:
    monkeypatch.setattr("pipeline.flow._ROWS_IN_WAVE", rows_in_wave)
    texts = [f"text number {i * i % 40}" if i % 9 else None for i in range(80)]
    files = [write_parquet({"text": texts[i::4]}, f"in/{i}.parquet") for i in range(4)]
    run(files[:1], output="before")
    tokens = run(files).tokens
    costs = [row["meta"] for row in results().to_pylist() if row["status"] == "ok"]
    assert savings_of(tokens).asked == sum(meta["prompt_tokens"] + meta["output_tokens"] for meta in costs)
    assert tokens.stored > 0
    assert tokens.duplicates > 0
    again = run(files)
    assert (again.tokens.prompt, savings_of(again.tokens).asked) == (0, savings_of(tokens).asked)
    assert savings_of(again.tokens).share == 1
