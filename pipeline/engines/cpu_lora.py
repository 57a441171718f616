"""LoRA on a CPU: for each layer two products of matrices over the whole batch, with all adapters that are loaded.

Imported by vLLM, by its name (`serve_masked`), once there are adapters. What a token has of other adapters than its own
is set to zero between the two, which costs less than to gather tokens by adapter. What vLLM 0.32 does itself copies an
adapter's weights once for every token, as float32, and gives tokens of no adapter (index -1) the one in the last slot.
Source: vLLM's `lora/ops/torch_ops/lora_ops.py`; both were measured (README, "Why it is built this way").
"""

from collections.abc import Sequence
from typing import Any

import torch
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU
from vllm.platforms import current_platform


class MaskedLora(PunicaWrapperCPU):
    """Adds what adapters do to the output of linear layers."""

    _own: torch.Tensor | None = None
    """(tokens, slots, 1): whether an adapter is the token's own; None if no token has one."""

    def update_metadata(self, mapping: Any, lora_index_to_id: Sequence[int | None], *args: Any, **kwargs: Any) -> None:
        """A new batch."""
        super().update_metadata(mapping, lora_index_to_id, *args, **kwargs)
        own = self.token_lora_indices[:, None, None] == torch.arange(len(lora_index_to_id))[:, None]
        self._own = own if own.any() else None

    def add_lora_linear(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: Sequence[torch.Tensor],
        lora_b_stacked: Sequence[torch.Tensor],
        scale: float,
        output_slices: Sequence[int],
        **kwargs: Any,
    ) -> None:
        """Change `y` in place; it stays as it is, to the bit, where a token has no adapter.

        Args:
            y: (tokens, all output slices).
            x: (tokens, input).
            lora_a_stacked: of each slice, (slots, 1, rank, input).
            lora_b_stacked: of each slice, (slots, 1, output of the slice, rank).
        """
        if self._own is None:
            return
        start = 0
        for a, b, size in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
            inner = x @ a.flatten(0, 2).T
            inner.view(*self._own.shape[:2], -1).mul_(self._own)
            y.narrow(1, start, size).addmm_(inner, b[:, 0].mT.flatten(0, 1), alpha=scale)
            start += size


def serve_masked() -> None:
    """Have vLLM, which must run on a CPU, use it."""
    name = f"{MaskedLora.__module__}.{MaskedLora.__qualname__}"
    type(current_platform).get_punica_wrapper = classmethod(lambda _: name)
