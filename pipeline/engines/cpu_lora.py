"""LoRA on a CPU: the tokens of a batch by their adapter, and for each adapter two products of matrices.

Imported by vLLM, by its name (`serve_grouped`), once there are adapters. What vLLM 0.32 does itself on a CPU copies an
adapter's weights once for every token, as float32, and gives tokens of no adapter (index -1) the one in the last slot.
Source: vLLM's `lora/ops/torch_ops/lora_ops.py`; both were measured (README, "Why it is built this way").
"""

from typing import Any

import torch
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU
from vllm.platforms import current_platform


class GroupedLora(PunicaWrapperCPU):
    """Adds what adapters do to the output of linear layers."""

    _groups: tuple[tuple[int, torch.Tensor | None], ...] = ()
    """Slot of an adapter, and its tokens: None if all are."""

    def update_metadata(self, *args: Any, **kwargs: Any) -> None:
        """A new batch."""
        super().update_metadata(*args, **kwargs)
        slots = self.token_lora_indices
        found = [int(slot) for slot in slots.unique() if slot >= 0]
        groups = ((slot, (slots == slot).nonzero().squeeze(1)) for slot in found)
        self._groups = tuple((slot, None if len(tokens) == len(slots) else tokens) for slot, tokens in groups)

    def add_lora_linear(
        self,
        y: torch.Tensor,
        x: torch.Tensor,
        lora_a_stacked: tuple[torch.Tensor, ...],
        lora_b_stacked: tuple[torch.Tensor, ...],
        scale: float,
        output_slices: tuple[int, ...],
        **kwargs: Any,
    ) -> None:
        """Change `y` in place.

        Args:
            y: (tokens, all output slices).
            x: (tokens, input).
            lora_a_stacked: of each slice, (slots, 1, rank, input).
            lora_b_stacked: of each slice, (slots, 1, output of the slice, rank).
        """
        for slot, tokens in self._groups:
            read, start = x if tokens is None else x[tokens], 0
            for a, b, size in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
                added = (read @ a[slot, 0].T * scale) @ b[slot, 0].T
                written = y.narrow(1, start, size)
                if tokens is None:
                    written.add_(added)
                else:
                    written.index_add_(0, tokens, added)
                start += size


def serve_grouped() -> None:
    """Have vLLM, which must run on a CPU, use it."""
    name = f"{GroupedLora.__module__}.{GroupedLora.__qualname__}"
    type(current_platform).get_punica_wrapper = classmethod(lambda _: name)
