"""vLLM's own C++ kernels for norms, which it has on a CPU and does not use there.

vLLM 0.32 expects a CPU's model to be compiled; an eager one gets a chain of eight of torch's operations for each norm,
a sixth of the time of a prefill (SmolLM2, torch's profiler). The registry used here is vLLM's for implementations
from outside.
"""

from functools import cache
from typing import Any

_PROVIDER = "vllm_c_cpu"


@cache
def register_cpu_kernels() -> dict[str, list[str]]:
    """Make them known to vLLM, which must run on a CPU; returns its argument `ir_op_priority`, to prefer them."""
    import torch
    from vllm import ir

    def rms_norm(
        x: torch.Tensor, weight: torch.Tensor | None, epsilon: float, variance_size: int | None = None
    ) -> torch.Tensor:
        out = torch.empty(x.shape, dtype=x.dtype)
        torch.ops._C.rms_norm(out, x, weight, epsilon)
        return out

    def fused_add_rms_norm(
        x: torch.Tensor,
        x_residual: torch.Tensor,
        weight: torch.Tensor | None,
        epsilon: float,
        variance_size: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        torch.ops._C.fused_add_rms_norm(x, x_residual, weight, epsilon)
        return x, x_residual

    ir.ops.rms_norm.register_impl(_PROVIDER, supports_args=_fits)(rms_norm)
    ir.ops.fused_add_rms_norm.register_impl(_PROVIDER, supports_args=_both_fit, inplace=True)(fused_add_rms_norm)
    return {"rms_norm": [_PROVIDER], "fused_add_rms_norm": [_PROVIDER]}


def _fits(x: Any, weight: Any, epsilon: float, variance_size: int | None = None) -> bool:
    plain = variance_size is None and weight is not None and weight.dtype == x.dtype
    return plain and bool(x.is_contiguous())


def _both_fit(x: Any, x_residual: Any, weight: Any, epsilon: float, variance_size: int | None = None) -> bool:
    return _fits(x, weight, epsilon, variance_size) and bool(x_residual.is_contiguous())
