"""From a configuration with a cascade to a run that can start: each model prepared, thresholds settled."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jobs.cascading.learn import Aim, RunPlan, learn
from jobs.cascading.rule import CascadeRule
from jobs.config import JobConfig, split_adapter
from jobs.prepare import Prepared, prepare
from pipeline import metrics
from pipeline.calibration import NO_CALIBRATION
from pipeline.cascade import Level
from pipeline.errors import UsageError
from pipeline.models import Say
from schemas.cascade import CascadeModel, CascadeUse, Gate, Thresholds


def prepare_cascade(config: JobConfig, run_id: str, building: Path | str, say: Say) -> list[Prepared]:
    """Each model's run over all rows, the cheapest first; without a cascade just the run.

    Raises:
        UsageError, RunError: as `jobs.prepare.prepare`; also if the task has no label to agree on.
    """
    prepared = [prepare(one, run_id, building, say) for one in configs_of(config)]
    if not config.cascade:
        return prepared
    last = prepared[-1]
    if not last.plan.task.judges:
        why = f"{last.recipe.task} gives no label, with its probability, that models can agree on"
        raise UsageError(
            why, "--cascade goes with sentiment without aspects, classify, and tasks that have a judgement"
        )
    if not last.where.shares_memory:
        raise UsageError("a cascade runs in one process", "leave out --workers and --runner, or --cascade")
    if len({one.model.digest for one in prepared}) < len(prepared):
        raise UsageError("a model is twice in --cascade")
    names = [one.model.name for one in prepared]
    if len(set(names)) < len(names):
        raise UsageError(f"two models of --cascade have one name: {', '.join(names)}", "rename an adapter's folder")
    _refuse_partition(config.cascade_by, last)
    return prepared


def _refuse_partition(column: str | None, last: Prepared) -> None:
    """The values of the column are in the manifest."""
    if column is not None and column not in last.survey.schema.names:
        raise UsageError(f"the input has no column {column!r}", f"it has: {', '.join(last.survey.schema.names)}")
    hidden = last.plan.redaction
    if hidden is not None and column in (*hidden.fields, *hidden.columns, *hidden.emptied):
        raise UsageError(f"--cascade-by {column}: its values would be in the manifest, and it is redacted")


def configs_of(config: JobConfig) -> list[JobConfig]:
    """The configuration of each model of a cascade, the cheapest first; without a cascade just what is given."""
    names = config.cascade_models
    return [_config_of(config, name, name == names[-1]) for name in names] or [config]


def _config_of(config: JobConfig, name: str, is_last: bool) -> JobConfig:
    """The configuration of one model; a calibration or a revision that is named is the last one's."""
    model, adapter = split_adapter(name)
    changes: dict[str, object] = {"model": model, "adapter": adapter}
    if not is_last:
        named = config.options.get("calibration")
        changes["revision"] = None
        changes["options"] = {
            key: value for key, value in config.options.items() if key != "calibration" or named == NO_CALIBRATION
        }
    return config.model_copy(update=changes)


def settle(
    config: JobConfig, prepared: Sequence[Prepared], run_plan: RunPlan, say: Say
) -> tuple[Prepared, Counter[str]]:
    """The run of a cascade, its thresholds settled, and what learning them took.

    Raises:
        UsageError, RunError: as `jobs.cascading.learn.learn`.
    """
    *cheaper, last = prepared
    for one in cheaper:
        one.plan.store.prepare(one.recipe)
    num_cheaper = len(cheaper)
    rule = CascadeRule(
        models=tuple(one.model for one in prepared),
        recipes=tuple(one.recipe.digest() for one in prepared),
        target=config.target,
        delta=config.cascade_delta,
        partition=config.cascade_by,
        sample=0,
        expected_kept=None,
        proven=True,
    )
    tally: Counter[str] = Counter()
    if config.target is None:
        gates = (Gate(thresholds=Thresholds(otherwise=config.confidence or 0.0)),) * num_cheaper
    else:
        aim = Aim(config.target, config.cascade_delta, config.cascade_by, config.cascade_sample, config.seed)
        say("having a sample answered by all models, to learn thresholds from")
        learnt = learn([one.plan for one in prepared], aim, run_plan)
        gates, tally = learnt.gates, learnt.tally
        rule = replace(rule, sample=learnt.sample, expected_kept=learnt.kept, proven=learnt.kept > 0)
        if not rule.proven:
            say(_unproven(config.target, learnt.sample, last.model.name))
    levels = tuple(_level(one, gate) for one, gate in zip(cheaper, gates, strict=True)) if rule.proven else ()
    sources = tuple((one.model.name, one.recipe.digest()) for one in cheaper) if rule.proven else ()
    layout = replace(last.plan.layout, cheaper=sources)
    partition = config.cascade_by if levels else None
    plan = replace(last.plan, cheaper=levels, by_model=True, partition=partition, layout=layout)
    return replace(last, plan=plan, cascade=rule), tally


def _unproven(target: float, sample: int, model: str) -> str:
    return f"a sample of {sample:,} rows proves no saving at {target:.1%} agreement: {model} answers all rows"


def _level(prepared: Prepared, gate: Gate) -> Level:
    plan = prepared.plan
    return Level(prepared.model.name, plan.task, plan.rules, plan.engine, plan.store, gate)


def recipe_digest(prepared: Prepared) -> str:
    """16 hexadecimal digits over all that decides a run's answers: of a cascade all recipes, and what is kept."""
    if prepared.cascade is None:
        return prepared.recipe.digest()
    gates = [level.gate.model_dump_json() for level in prepared.plan.cheaper]
    return hashlib.sha256(json.dumps([prepared.cascade.recipes, gates]).encode()).hexdigest()[:16]


def cascade_use(prepared: Prepared, tally: Mapping[str, int]) -> CascadeUse | None:
    """What the manifest says of a run's cascade; None without one."""
    rule = prepared.cascade
    if rule is None:
        return None
    gates = [level.gate for level in prepared.plan.cheaper]
    models = []
    for number, (model, recipe) in enumerate(zip(rule.models, rule.recipes, strict=True)):
        found = {name: tally[metrics.of_model(name, model.name)] for name in _COUNTED}
        models.append(
            CascadeModel(
                name=model.name,
                digest=model.digest,
                recipe_digest=recipe,
                rows=found[metrics.ROWS],
                sent=found[metrics.SENT],
                engine_seconds=round(found[metrics.ENGINE_US] / 1e6, 3),
                gate=gates[number] if number < len(gates) else None,
            )
        )
    return CascadeUse(
        models=models,
        target=rule.target,
        delta=rule.delta,
        partition=rule.partition,
        sample=rule.sample,
        expected_kept=rule.expected_kept,
        proven=rule.proven,
    )


_COUNTED = (metrics.ROWS, metrics.SENT, metrics.ENGINE_US)
