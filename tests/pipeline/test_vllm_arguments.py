"""vLLM's arguments: what a device calls for, and what the user says."""

from pipeline.engines.base import EngineNeeds
from pipeline.engines.vllm_settings import engine_arguments


def _needs(**arguments: object) -> EngineNeeds:
    return EngineNeeds(run_id="run", context_tokens=1024, model_folder="model", arguments=arguments)


def test_a_gpu_keeps_the_limits_that_vllm_chooses_for_it() -> None:
    asked = engine_arguments(_needs(), on_cpu=False)
    assert asked == {"model": "model", "max_model_len": 1024, "dtype": "auto", "disable_log_stats": True}


def test_a_cpu_gets_short_blocks_and_a_bounded_cache() -> None:
    asked = engine_arguments(_needs(enforce_eager=False), on_cpu=True)
    assert asked["block_size"] == 32
    assert 0 < asked["kv_cache_memory_bytes"] <= 2 << 30
    assert asked["max_num_batched_tokens"] >= 1024
    assert "ir_op_priority" not in asked  # a compiled model has kernels of its own


def test_what_the_user_says_wins_on_every_device() -> None:
    for on_cpu in (False, True):
        asked = engine_arguments(_needs(enforce_eager=False, dtype="float32", max_num_seqs=7), on_cpu)
        assert (asked["dtype"], asked["max_num_seqs"], asked["enforce_eager"]) == ("float32", 7, False)
