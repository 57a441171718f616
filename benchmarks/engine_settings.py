"""What a setting of the engine brings: requests/s with it, over those of an engine as Textmill sets it up.

Each `--try` is one engine: vLLM's arguments, NAME=VALUE with spaces between; where the name is in capitals, it is an
environment variable. All engines are started once, stay, and take turns at one bare `LLM.generate` on the same prompts,
which are other ones in every pair: there must be memory for all of them.

    python benchmarks/engine_settings.py --task translate --rows 200 --try max_num_seqs=64 \
        --try 'speculative_config={"method":"ngram","num_speculative_tokens":3,"prompt_lookup_max":4}'
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from asked import as_flags, parser_of, take_turns
from measure import Figures, answering, report

from jobs.settings import parse_engine_args, parse_pairs

_HERE = Path(__file__).resolve()
_ENGINE = _HERE.with_name("engine_efficiency.py")
_AS_IT_IS = "as it is"


def main() -> None:
    """Let the engines take turns and print the table."""
    parser = parser_of(__doc__, (), num_rows=500, num_pairs=5)
    parser.add_argument(
        "--try", dest="tried", action="append", required=True, metavar="'NAME=VALUE …'", help="an engine; repeatable"
    )
    args = parser.parse_args()
    settings: dict[str, list[str]] = {_AS_IT_IS: [], **{tried: tried.split() for tried in args.tried}}
    for words in settings.values():
        parse_engine_args(words, "--try")
    same = ("--one", "bare", "--model", args.model, "--task", args.task, *as_flags(args.engine_arg))
    with ExitStack() as stack:
        ask = {name: stack.enter_context(_engine(same, words)) for name, words in settings.items()}
        pairs = take_turns(args, ask)
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
