"""What a merge rounds away."""

import pytest

from pipeline.merge_adapter import to_bfloat16

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # importing torch takes seconds


def test_what_is_added_is_kept_on_average_though_it_is_less_than_half_of_the_last_place() -> None:
    torch = pytest.importorskip("torch")
    weights = torch.full((200_000,), 0.05).to(torch.bfloat16).to(torch.float32)
    learnt = 2e-5
    assert torch.equal((weights + learnt).to(torch.bfloat16).to(torch.float32), weights)  # the nearest is the old one
    for sign in (1, -1):
        rounded = to_bfloat16(sign * (weights + learnt), torch.Generator().manual_seed(0)).to(torch.float32)
        assert (rounded - sign * weights).mean().item() == pytest.approx(sign * learnt, rel=0.02)


def test_what_is_a_bfloat16_already_stays() -> None:
    torch = pytest.importorskip("torch")
    weights = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    assert torch.equal(to_bfloat16(weights.to(torch.float32), torch.Generator().manual_seed(0)), weights)
