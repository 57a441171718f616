"""What is said of a model: by the catalogue, by a folder's own card, or by nobody."""

from pathlib import Path

import pytest

from pipeline.model_cards import read_card
from pipeline.models import catalogue

CARD = """---
license: apache-2.0
language:
- en
- "de"
base_model: owner/base
tags: [a, b]
---
# A model
"""


def test_every_model_of_the_catalogue_has_a_card_with_limits() -> None:
    for entry in catalogue().values():
        assert entry.card.title
        assert entry.card.languages
        assert entry.card.limits
        assert entry.card.source


def test_a_folder_speaks_for_itself(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(CARD)
    card, licence = read_card(tmp_path, "mine")
    assert licence == "apache-2.0"
    assert card.languages == "en, de"
    assert card.source == "mine, made from owner/base"
    assert not card.limits


@pytest.mark.parametrize("content", [None, "", "# No head", "---\nlicense: mit\n", "\xff\xfe"])
def test_where_nothing_is_said_the_card_says_that(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "README.md").write_text(content, encoding="latin-1")
    card, licence = read_card(tmp_path, "mine")
    assert licence is None
    assert "no model card" in card.limits[0]
