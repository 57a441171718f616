"""The real thing: vLLM on smollm2-135m, fetched once into the user's cache."""

import pytest

from pipeline.models import Model, catalogue_entry, pull


@pytest.fixture
def smollm2(home) -> Model:
    """The small model, fetched and converted if need be."""
    return pull(catalogue_entry("smollm2-135m"), print)
