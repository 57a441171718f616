"""Adapters put on a batch on a CPU: each token gets its own, and tokens of none get none."""

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]  # torch and vLLM warn of themselves


@pytest.mark.parametrize("of", [[1, 1, 0, 2, 1, 0], [2] * 6, [0] * 6, [0, 2, 0, 0, 0, 0]])
@pytest.mark.parametrize("is_prefill", [True, False])
def test_each_token_gets_what_its_own_adapter_adds(of: list[int], is_prefill: bool) -> None:
    from pipeline.engines.vllm_settings import prepare_environment

    prepare_environment()
    import torch
    from vllm.lora.layers import LoRAMapping

    from pipeline.engines.cpu_lora import MaskedLora

    torch.manual_seed(0)
    slots, rank, size, slices = 2, 3, 5, (4, 2)
    lora_a = tuple(torch.randn(slots, 1, rank, size) for _ in slices)
    lora_b = tuple(torch.randn(slots, 1, out, rank) for out in slices)
    x, y = torch.randn(len(of), size), torch.randn(len(of), sum(slices))
    expected = y.clone()
    for token, adapter in enumerate(of):
        if adapter:
            added = [b[adapter - 1, 0] @ (a[adapter - 1, 0] @ x[token]) for a, b in zip(lora_a, lora_b, strict=True)]
            expected[token] += torch.cat(added)
    wrapper = MaskedLora(max_num_batched_tokens=16, max_batches=8, device="cpu")
    wrapper.update_metadata(LoRAMapping(tuple(of), tuple(of), is_prefill=is_prefill), [1, 2], slots + 1, 32)
    wrapper.add_lora_linear(y, x, lora_a, lora_b, 1.0, slices)
    torch.testing.assert_close(y, expected)
