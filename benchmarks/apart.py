"""
How a row is measured: in processes of its own, on a fresh database, and checked.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

__all__ = [
    "Measurement",
    "WrongResult",
    "check_outputs",
    "check_results",
    "check_runs",
    "run_apart",
]

_FRESH = multiprocessing.get_context("spawn")
_COUNT_RUNS = """
select count(*), count(*) filter (where status = 'completed')
from singularity_workflow.runs
"""
# runs whose only final step did not add up, and tasks that were not begun just once
_COUNT_WRONG = """
with ours as (
  select r.run_id, r.input, s.step_no
  from singularity_workflow.workflows w
  join singularity_workflow.workflow_steps s
    on s.workflow_id = w.workflow_id and s.dependent_count = 0
  join singularity_workflow.runs r on r.workflow_id = w.workflow_id
  where w.name = %(workflow)s
    and r.started_at >= coalesce(%(since)s::timestamptz, '-infinity')
)
select
  (select count(*) from ours o
   left join singularity_workflow.step_states s using (run_id, step_no)
   where s.output::text::bigint is distinct from o.input::text::bigint + %(steps)s),
  (select count(*) from ours o
   join singularity_workflow.tasks t using (run_id) where t.attempt <> 1)
"""


class WrongResult(RuntimeError):
    """Work that was lost or done wrongly: no figure is worth that."""


@dataclass(slots=True)
class Measurement:
    """
    What one process measured.

    Args:
        samples: One value a round, by the name of the figure.
        runs: How many runs it started.
        unfinished: How many of them it left as they were, on purpose.
    """

    samples: dict[str, list[float]] = field(default_factory=dict)
    runs: int = 0
    unfinished: int = 0

    def add(self, name: str, value: float) -> None:
        """Add the value of one round."""
        self.samples.setdefault(name, []).append(value)


def run_apart(measure: Callable[..., Measurement], *arguments: object) -> Measurement:
    """Run *measure* in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=_FRESH) as pool:
        return pool.submit(measure, *arguments).result()


def check_results(got: object, wanted: object, what: str) -> None:
    """
    Compare the results of a round with what they must be.

    Raises:
        WrongResult: If they differ.
    """
    if got != wanted:
        raise WrongResult(f"{what}: the results are wrong, the figures void")


def check_runs(dsn: str, started: int, unfinished: int = 0) -> None:
    """
    Ask the database whether all runs are there, and completed but for some.

    Raises:
        WrongResult: If one is missing, too many or not completed.
    """
    with psycopg.connect(dsn) as connection:
        counts = connection.execute(_COUNT_RUNS).fetchone()
    if counts != (started, started - unfinished):
        raise WrongResult(
            f"{started} runs were started; the database has (all, completed): {counts}"
        )


def check_outputs(
    dsn: str,
    workflow: str,
    steps: int,
    *,
    since: datetime | None = None,
    repeated: int = 0,
) -> None:
    """
    Ask the database whether each run added one in each step, once.

    Args:
        dsn: The database.
        workflow: The name of a workload that counts.
        steps: How many steps it has, one after the other.
        since: Look at runs that began after this; None: at all.
        repeated: How many of its tasks were given back once, on purpose.

    Raises:
        WrongResult: If one did not.
    """
    parameters = {"workflow": workflow, "steps": steps, "since": since}
    with psycopg.connect(dsn) as connection:
        counts = connection.execute(_COUNT_WRONG, parameters).fetchone()
    if counts != (0, repeated):
        raise WrongResult(
            f"{workflow}: the database has (wrong outputs, tasks that were begun more "
            f"than once): {counts}"
        )
