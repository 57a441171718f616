"""The configuration of a run: every setting, its default, what it means, and what does not go together."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.budget import BOUNDS
from pipeline.models import home
from schemas.adapter import CARD_NAME


class JobConfig(BaseModel):
    """Everything that can be set for a run of any task; the descriptions are the help of the flags."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(description="What to do with each row.")
    inputs: tuple[str, ...] = Field(min_length=1, description="Parquet files, folders or globs.")
    output: str = Field(description="Folder for the results; an earlier run's is replaced as a whole.")
    text: str | None = Field(None, description="Column with the text. [default: a good guess]")
    id: str | None = Field(None, description="Column with the ids. [default: a good guess, else file and row number]")
    model: str = Field("qwen2.5-0.5b", description="Catalogue name, model folder, or Hugging Face id.")
    revision: str | None = Field(None, description="Revision of a Hugging Face model.")
    adapter: str | None = Field(
        None,
        description="Folder of textmill finetune: the model is used with it, and with the prompts it was trained on.",
    )
    adapter_column: str | None = Field(
        None,
        description="Column that says, by its name of --adapters, which adapter answers a row; null or empty: the "
        "model as it is. On a CPU slower than --adapter.",
    )
    adapters: dict[str, str] = Field(
        default_factory=dict,
        description="An adapter that rows may name, as NAME=DIR; may be repeated. All are for one model, task and "
        "prompt.",
    )
    prompt_form: str | None = Field(None, description="chat or bare. [default: what measured best for the model]")
    engine: Literal["vllm", "server", "scripted"] = Field(
        "vllm",
        description="vllm; server: one or several that speak OpenAI's language; or scripted: made-up answers without a "
        "model, to test a pipeline.",
    )
    endpoint: tuple[str, ...] = Field(
        (),
        description="With --engine server: an address such as http://host:8000/v1; may be repeated. A key comes from "
        "TEXTMILL_API_KEY in the environment.",
    )
    served_model: str | None = Field(
        None, description="With --engine server: the model's id there. [default: the only one it serves]"
    )
    engine_args: dict[str, Any] = Field(
        default_factory=dict,
        description="An argument of vLLM's by its own name, as NAME=VALUE; may be repeated.",
        json_schema_extra={"flag": "--engine-arg"},
    )
    context_tokens: int | None = Field(
        None, ge=256, description="Longest prompt and answer, in tokens. [default: the model's entry, 4096]"
    )
    on_too_long: Literal["truncate", "fail"] = Field(
        "truncate", description="A text that does not fit is cut (meta.truncated says so), or its row fails."
    )
    guard: bool = Field(
        True,
        description="Leave sentences that give orders to the model, hidden and forged ones too, out of what it reads "
        "of a text; for sentiment, reply and generate: translate, classify and extract read all.",
    )
    request_seconds: float = Field(
        3600.0, gt=0, description="A request without an answer for so long is given up: its rows fail with deadline."
    )
    limit: int | None = Field(None, ge=0, description="Only the first N rows.")
    sample: int | None = Field(None, ge=0, description="Only N rows drawn at random.")
    seed: int = Field(0, description="Of the random draw.")
    skip_bad_files: bool = Field(
        False,
        description="Leave out input files that cannot be read, and list them in the manifest, instead of stopping. "
        "Each file is read through once before anything is spent.",
    )
    if_changed: bool = Field(
        False,
        description="Do nothing if the output is what this command would write: the run there had --if-changed too; "
        "settings, contents of all files that they name, model and versions are the same, and no row has failed that "
        "another try may mend. Of a task of your own its file counts, not what that imports or reads.",
    )
    columns: dict[str, Any] = Field(
        default_factory=dict,
        description="Which column a field of the task's record is read from, as FIELD=COLUMN; may be repeated. "
        "[default: the column of the field's name]",
        json_schema_extra={"flag": "--column"},
    )
    require: tuple[str, ...] = Field(
        (),
        description="A check that a result must pass; otherwise its row fails with check_failed. May be repeated.",
    )
    reasoning_parser: str | None = Field(
        None,
        description="How vLLM tells thoughts from the answer, for a model that thinks first. [default: by the model]",
    )
    reasoning_tokens: int = Field(2048, ge=0, description="What such a model may spend on thinking, for each answer.")
    keep_reasoning: bool = Field(False, description="Write what the model thought into a column `reasoning`.")
    notice: str | None = Field(
        None,
        description="Write this text into a column `notice` beside each answer: for readers, that a model wrote it.",
    )
    store: str = Field(
        default_factory=lambda: str(home() / "store"), description="The completion store. [default: in TEXTMILL_HOME]"
    )
    max_failed: str | None = Field(
        None, description="Exit with code 3 if more results fail: a number, or a share such as 5%. [default: any may]"
    )
    budget: dict[str, float] = Field(
        default_factory=dict,
        description="Stop in good order once so much is spent, as tokens=N, minutes=N or rows=N; may be repeated. What "
        "was not asked fails with over_budget, and the same command goes on with it (exit code 5).",
        json_schema_extra={"flag": "--budget"},
    )
    cascade: str | None = Field(
        None,
        description="Models that share the rows, the cheapest first, as SMALL,LARGE or SMALL+ADAPTER,LARGE: each "
        "answers, and rows that it is not sure of go on to the next. With --target or --confidence.",
    )
    target: float | None = Field(
        None, gt=0, lt=1, description="Of a cascade: share of the rows whose label is to be the last model's, 0.99 say."
    )
    confidence: float | None = Field(
        None, ge=0, le=1, description="Of a cascade, instead of --target: from which probability on an answer is kept."
    )
    cascade_by: str | None = Field(
        None, description="Column of the input whose values get thresholds of their own, where they have enough rows."
    )
    cascade_sample: int | None = Field(
        None, ge=1, description="Rows to learn thresholds from. [default: by the target, at most a fifth of the rows]"
    )
    cascade_delta: float = Field(
        0.05, gt=0, lt=1, description="How probable it may be, over the draw of the sample, that --target is missed."
    )
    redact: bool = Field(
        False,
        description="Replace personal data by placeholders before anything is asked, in the task's columns, also where "
        "they are written.",
    )
    redact_kinds: tuple[str, ...] = Field(
        (),
        description="Only of this kind: url, email, iban, card, national_id, ip, phone or name. May be repeated. "
        "[default: all]",
        json_schema_extra={"flag": "--redact-kind"},
    )
    redact_regions: tuple[str, ...] = Field(
        (),
        description="Country whose phone numbers are known without +, as ES. May be repeated. [default: 14]",
        json_schema_extra={"flag": "--redact-region"},
    )
    redact_columns: tuple[str, ...] = Field(
        (),
        description="Another column in whose texts it is replaced in the output. May be repeated.",
        json_schema_extra={"flag": "--redact-column"},
    )
    empty_columns: tuple[str, ...] = Field(
        (),
        description="Another column that is null in the output, of any type. May be repeated.",
        json_schema_extra={"flag": "--empty-column"},
    )
    restore: bool = Field(
        False, description="Put the personal data back into the results; dead letters keep the placeholders."
    )
    workers: int | None = Field(
        None, ge=1, description="So many worker processes on this machine, an engine each. [default: this process]"
    )
    runner: str | None = Field(
        None, description="One of Beam's runners, FlinkRunner for one; its options follow after --. [default: none]"
    )
    beam_options: tuple[str, ...] = Field(
        (),
        description="One of Beam's pipeline options, as --NAME=VALUE; may be repeated. Or give them all after --.",
        json_schema_extra={"flag": "--beam-option"},
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The task's own options.")

    @property
    def cascade_models(self) -> tuple[str, ...]:
        """The models of the cascade, the cheapest first, as NAME or NAME+ADAPTER; none without one."""
        return tuple(name.strip() for name in self.cascade.split(",")) if self.cascade else ()

    @model_validator(mode="before")
    @classmethod
    def _last_of_cascade(cls, values: Any) -> Any:
        """The model of a cascade, and its adapter, are its last one's."""
        if isinstance(values, dict) and isinstance(given := values.get("cascade"), str):
            model, adapter = split_adapter(given.rpartition(",")[2].strip())
            if values.get("model", model) != model:
                raise ValueError("give either model or cascade, whose last one is the model")
            if values.get("adapter") not in (None, adapter):
                raise ValueError("give either adapter or cascade, as SMALL,LARGE+ADAPTER")
            return {**values, "model": model, "adapter": adapter}
        return values

    @model_validator(mode="after")
    def _whole_cascade(self) -> "JobConfig":
        names = self.cascade_models
        if not names:
            given = [
                k for k in ("target", "confidence", "cascade_by", "cascade_sample") if getattr(self, k) is not None
            ]
            if given:
                raise ValueError(f"{given[0]} goes with cascade")
        elif len(names) < 2 or not all(names) or len(set(names)) < len(names):
            raise ValueError("cascade: give two or more different models, as SMALL,LARGE")
        elif (self.target is None) == (self.confidence is None):
            raise ValueError("cascade: give either target or confidence")
        if self.cascade and self.engine == "server":
            raise ValueError("cascade: its models run in this process, not on a server")
        return self

    @model_validator(mode="after")
    def _whole_adapters(self) -> "JobConfig":
        if (self.adapter_column is None) != (not self.adapters):
            raise ValueError("adapter_column and adapters go together")
        if not all(name.strip() for name in self.adapters):
            raise ValueError("adapters: an empty name is that of the model as it is")
        if spaced := [name for name in self.adapters if name != name.strip()]:
            raise ValueError(f"adapters: the name {spaced[0]!r} begins or ends with white space")
        if self.adapters and (self.adapter or self.cascade):
            raise ValueError(f"give either adapter_column or {'cascade' if self.cascade else 'adapter'}")
        if self.adapters and self.engine == "server":
            raise ValueError("adapter_column: the adapters are served in this process, not by a server")
        return self

    @model_validator(mode="after")
    def _output_to_look_at(self) -> "JobConfig":
        if self.if_changed and "://" in self.output:
            raise ValueError("if_changed: the output has to be on this machine's disk")
        return self

    @field_validator("budget")
    @classmethod
    def _known_bounds(cls, bounds: dict[str, float]) -> dict[str, float]:
        for name, bound in bounds.items():
            if name not in BOUNDS:
                raise ValueError(f"{name!r} is no bound; {', '.join(BOUNDS)} are")
            if not bound > 0:
                raise ValueError(f"{name} must be more than 0")
        return bounds

    @field_validator("redact_kinds", "redact_regions", "redact_columns", "empty_columns", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """As `a,b`, which is all that the environment can say."""
        given = (value,) if isinstance(value, str) else value or ()
        return tuple(item.strip() for text in given for item in str(text).split(",") if item.strip())

    @field_validator("max_failed", mode="before")
    @classmethod
    def _failed_bound(cls, value: Any) -> Any:
        if value is None:
            return None
        try:
            number = float(str(value).removesuffix("%"))
        except ValueError:
            number = -1.0
        if number < 0:
            raise ValueError("give a number of results or a share such as 5%")
        return str(value)

    def allows_failed(self, failed: int, results: int) -> bool:
        """Whether so many failed ones of a run's results are within `max_failed`."""
        if self.max_failed is None:
            return True
        bound = float(self.max_failed.removesuffix("%"))
        return failed <= (bound / 100 * results if self.max_failed.endswith("%") else bound)


def split_adapter(name: str) -> tuple[str, str | None]:
    """A model of a cascade, `NAME` or `NAME+DIR`, as the model and the folder of its adapter.

    Folders may have a + in their names: an adapter's is told by its card.
    """
    splits = [(name[:at], name[at + 1 :]) for at in range(1, len(name) - 1) if name[at] == "+"]
    for model, adapter in splits:
        if (Path(adapter).expanduser() / CARD_NAME).is_file():
            return model, adapter
    return (name, None) if not splits or Path(name).expanduser().is_dir() else splits[0]


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """A hint with the known names nearest to a wrong one."""
    near = get_close_matches(name, known, n=2) or list(known)
    return f"did you mean {' or '.join(near)}?" if len(near) <= 2 else f"known are: {', '.join(near)}"


def validation_line(error: ValidationError) -> str:
    """A pydantic error in one line: which key, what is wrong."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{where} is not given"
    return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
