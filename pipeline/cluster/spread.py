"""A plan for several processes: what each has to know of the others."""

from dataclasses import replace

from pipeline.engines.placed import placed
from pipeline.flow import Plan


def spread(plan: Plan, processes: int) -> Plan:
    """The plan for so many processes: enough groups of requests for all, and engines that take GPUs of their own."""
    return replace(plan, processes=processes, engine=placed(plan.engine))
