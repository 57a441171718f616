"""What a model makes of rows that were not trained on, with its adapter and without."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from jobs.adapting.figures import Answered, Whose, calibration_of, loss_figures
from jobs.adapting.learner import Judged, Learner
from jobs.adapting.lectures import Lectures
from jobs.adapting.lessons import GoldRow, Teacher
from jobs.adapting.targets import GoldColumns
from jobs.adapting.written import draw_samples
from jobs.evaluation.bootstrap import Resampling
from jobs.inquiry import make_task
from jobs.terminal import Terminal
from schemas.calibration import Calibration
from schemas.evaluation import Figure

Figures = dict[str, Figure]
_RESAMPLES = 1000


def judge(
    lectures: Lectures, learner: Learner, whose: Whose, now: datetime, terminal: Terminal
) -> tuple[tuple[Figures, Figures], Calibration | None]:
    """Figures on the rows for reporting, before and after, and of a choice a calibration, fitted on those for stopping.

    Before, the model has the job's usual prompts, which it does best with.
    """
    _, stopping, reporting = lectures.parts
    seed = lectures.asked.settings.seed
    resampling = Resampling(_RESAMPLES, seed)
    sides = [(teacher, draw_samples(teacher, reporting, seed)) for teacher in (_untrained(lectures), lectures.teacher)]
    num_steps = 2 * _num_lessons(reporting) + sum(len(samples.lessons) for _, samples in sides)
    found = []
    with terminal.steps("judging", num_steps + (_num_lessons(stopping) if lectures.labels else 0)) as advance:
        for adapted, (teacher, samples) in enumerate(sides):
            lessons = teacher.lessons(reporting)
            judged = learner.judge(lessons, advance, bool(adapted))
            figures = loss_figures(lessons, judged, resampling)
            if (answered := _answered(lectures, reporting, judged)) is not None:
                figures |= answered.figures(resampling)
            found.append(figures | samples.figures(learner, teacher, bool(adapted), resampling, advance))
        calibration = None
        if answered is not None:
            checked = learner.judge(lectures.teacher.lessons(stopping), advance)
            if (fitted := _answered(lectures, stopping, checked)) is not None:
                calibration = calibration_of(fitted, answered, whose, now)
    return (found[0], found[1]), calibration


def _untrained(lectures: Lectures) -> Teacher:
    """The same with the prompts of a job that has no adapter."""
    usual = {**{k: v for k, v in lectures.options.items() if k not in lectures.task.adapted}, **lectures.asked.options}
    task = make_task(type(lectures.task), usual, lectures.asked.prompt_form, lectures.model)
    return replace(lectures.teacher, task=task)


def _answered(lectures: Lectures, rows: Sequence[GoldRow], judged: Judged) -> Answered | None:
    """Of the one choice that there is a row; None where there is no such thing."""
    gold = lectures.gold
    if judged.p is None or not lectures.labels or not isinstance(gold, GoldColumns):
        return None
    return Answered(rows, judged.p, lectures.labels, gold.end)


def _num_lessons(rows: Sequence[GoldRow]) -> int:
    return sum(len(gold.targets) for gold in rows)
