"""How good the results of a run are, by people's labels, ratings, references, or by what can be counted."""

from jobs.evaluation.evaluate import evaluate, write_evaluation
from jobs.evaluation.settings import EvaluationSettings

__all__ = ["EvaluationSettings", "evaluate", "write_evaluation"]
