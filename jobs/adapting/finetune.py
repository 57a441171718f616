"""Fine-tuning, put together: gold in, an adapter with its card and calibration out."""

from jobs.adapting.card import conclude
from jobs.adapting.learner import Learner
from jobs.adapting.lectures import FineTuning, prepare_lectures
from jobs.adapting.lessons import weighted
from jobs.adapting.training import Training
from jobs.terminal import Terminal
from schemas.adapter import AdapterCard

__all__ = ["FineTuning", "finetune"]


def finetune(asked: FineTuning, terminal: Terminal) -> AdapterCard | None:
    """Train an adapter and write it; None if the time was not enough: the same command goes on.

    Raises:
        UsageError: if there is nothing to learn from, or the packages for it are missing.
        RunError: if the model cannot be had.
    """
    lectures = prepare_lectures(asked, terminal)
    (training, stopping, reporting), settings = lectures.parts, lectures.asked.settings
    for reason, count in lectures.left_out.items():
        terminal.say(f"left out: {count:,} of the gold's rows with {reason}")
    if others := lectures.prompts()[1]:
        terminal.say(f"not learnt, though a job asks the same weights: {', '.join(others)}")
    lessons = weighted(lectures.teacher.lessons(training), training, settings.balance or 0)
    terminal.say(f"training on {len(training):,} rows, {len(stopping):,} for stopping, {len(reporting):,} for figures")
    learner = Learner(lectures.folder, settings, settings.epochs * -(-len(lessons) // settings.batch_rows))
    checkpoint = asked.out.absolute().with_name(f".{asked.out.name}.training")
    checked = lectures.teacher.lessons(stopping)
    course = Training(learner, settings, lessons, checked, checkpoint, lectures.key(), terminal.say)
    with terminal.steps("training", course.num_steps) as advance:
        progress, done = course.run(asked.seconds, advance)
    if not done:
        return None
    if progress.best is not None:
        learner.load_adapter(progress.best)
    card = conclude(lectures, learner, progress, terminal)
    course.discard()
    return card
