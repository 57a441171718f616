"""Ray Data LLM's side of `peers.py`: run by the Python of an environment of its own, for Ray is no dependency here.

Arguments: a file of requests (a line of JSON each: prompt, sampling_params), the model's folder, its context length.
Prints how many rows were answered and the seconds of the pass over them, in which the engine starts.
"""

import json
import sys
import time


def main() -> None:
    """Ask every request and print the figures as JSON on the last line."""
    import ray
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    file, model, context = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(file, encoding="utf-8") as lines:  # noqa: PTH123 - nothing of ours is imported here
        requests = [json.loads(line) for line in lines]
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    config = vLLMEngineProcessorConfig(
        model_source=model,
        engine_kwargs={"max_model_len": context, "dtype": "bfloat16"},
        placement_group_config={"bundles": [{"CPU": 1}]},
        concurrency=1,
        batch_size=64,
        log_engine_metrics=False,  # its metrics want a Ray that the engine's own Python can import
        chat_template_stage={"enabled": False},
        detokenize_stage={"enabled": False},
    )
    rows = ray.data.from_items([{"request": json.dumps(request)} for request in requests])
    processor = build_processor(
        config,
        preprocess=lambda row: json.loads(row["request"]),
        postprocess=lambda row: {"answer": row["generated_text"]},
    )
    started = time.monotonic()
    answers = processor(rows).take_all()
    seconds = time.monotonic() - started
    print(json.dumps({"rows": len(answers), "seconds of the pass": seconds, "first": answers[0]["answer"]}))


if __name__ == "__main__":
    main()
