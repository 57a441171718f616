"""What a setting of the engine brings: requests/s with it, over those of an engine as Textmill sets it up.

Each `--try` is one engine: vLLM's arguments, NAME=VALUE with spaces between; where the name is in capitals, it is an
environment variable. All engines are started once, stay, and take turns at one bare `LLM.generate` on the same prompts,
which are other ones in every pair: there must be memory for all of them.

    python benchmarks/engine_settings.py --task translate --rows 200 --try max_num_seqs=64 \
        --try 'speculative_config={"method":"ngram","num_speculative_tokens":3,"prompt_lookup_max":4}'
"""

import argparse
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from asked import TASK_OPTIONS, add_engine_args, as_flags, write_inputs
from measure import Figures, answering, interleaved, report

from jobs.settings import parse_engine_args, parse_pairs

_HERE = Path(__file__).resolve()
_ENGINE = _HERE.with_name("engine_efficiency.py")
_AS_IT_IS = "as it is"


def main() -> None:
    """Let the engines take turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", default="sentiment", choices=list(TASK_OPTIONS))
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=5)
    add_engine_args(parser)
    parser.add_argument(
        "--try", dest="tried", action="append", required=True, metavar="'NAME=VALUE …'", help="an engine; repeatable"
    )
    args = parser.parse_args()
    settings: dict[str, list[str]] = {_AS_IT_IS: [], **{tried: tried.split() for tried in args.tried}}
    for words in settings.values():
        parse_engine_args(words, "--try")
    same = ("--one", "bare", "--model", args.model, "--task", args.task, *as_flags(args.engine_arg))
    with ExitStack() as stack:
        warm_up, *files = write_inputs(
            Path(stack.enter_context(TemporaryDirectory())), args.task, args.rows, args.pairs
        )
        ask = {name: stack.enter_context(_engine(same, words)) for name, words in settings.items()}
        for side in ask.values():
            side(warm_up)
        rest = {name: iter(files) for name in ask}
        pairs = interleaved(list(ask), args.pairs, lambda name: ask[name](next(rest[name])))
    series: dict[str, list[float]] = {}
    for name in settings:
        series[f"{name}: requests/s"] = [pair[name]["requests_per_second"] for pair in pairs]
        if name != _AS_IT_IS:
            both = zip(series[f"{name}: requests/s"], series[f"{_AS_IT_IS}: requests/s"], strict=True)
            series[f"{name}: over {_AS_IT_IS}"] = [one / other for one, other in both]
    title = f"{args.task}, {args.model}, {args.rows} unique rows, {args.pairs} interleaved pairs, engines kept"
    report(_HERE, title, series, model=args.model, task=args.task, rows=args.rows, engine_args=args.engine_arg)


def _engine(same: Sequence[str], words: Sequence[str]) -> AbstractContextManager[Callable[[object], Figures]]:
    """A process with such an engine, which answers with what it measured."""
    variables = [word for word in words if word.partition("=")[0].isupper()]
    arguments = as_flags([word for word in words if word not in variables])
    return answering(_ENGINE, *same, *arguments, environment=parse_pairs("--try", variables))


if __name__ == "__main__":
    main()
