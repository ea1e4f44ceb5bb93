"""
What must hold after the chaos, and the figures of how it went.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from tests.fixtures.invariants import assert_invariants

from .crew import LEASE, Death
from .flows import EFFECTS
from .load import Started

__all__ = ["Checks"]

RECOVERY_BAR = LEASE + 2.0
_SHOWN = 5

_RECOVERIES = """
select w.worker_id, w.lost_at, w.stopped_at,
       greatest(%(died_at)s, (
         select max(s.started_at) from chaos.server_starts s
         where s.started_at <= coalesce(w.lost_at, clock_timestamp()))) as since
from singularity_workflow.workers w
where w.pid = %(pid)s and w.started_at between %(born_at)s and %(died_at)s
"""
_OPEN = """
select r.run_id, f.name, r.status, (
  select string_agg(format('%s/%s %s %s attempt %s, %s losses, worker %s', t.step_no, t.task_index,
                           t.status, t.wait_reason, t.attempt, t.losses, t.worker_id), '; ')
  from singularity_workflow.tasks t
  where t.run_id = r.run_id and t.status not in ('completed', 'cancelled')) as tasks
from singularity_workflow.runs r join singularity_workflow.workflows f using (workflow_id)
where r.status <> 'completed'
order by r.run_id
"""
_TWICE = """
select r.run_id, r.step_no, r.task_index, count(*) as times, min(r.old_status) as old_status
from chaos.recordings r
group by r.run_id, r.step_no, r.task_index
having count(*) <> 1 or min(r.old_status) <> 'started'
"""
_UNRECORDED = """
select t.run_id, t.step_no, t.task_index from singularity_workflow.tasks t
where t.status = 'completed' and not exists (
  select from chaos.recordings r
  where r.run_id = t.run_id and r.step_no = t.step_no and r.task_index = t.task_index)
"""
_EFFECTS = """
select t.run_id, s.name as step, t.task_index, (
  select count(*) from chaos.effects e
  where e.run_id = t.run_id and e.step = s.name and e.index = t.task_index) as times
from singularity_workflow.tasks t
join singularity_workflow.runs r using (run_id)
join singularity_workflow.workflow_steps s using (workflow_id, step_no)
where s.name = any (%s) and t.status = 'completed'
"""
_STRAY_EFFECTS = """
select e.run_id, e.step, e.index from chaos.effects e
where not exists (
  select from singularity_workflow.tasks t
  join singularity_workflow.runs r using (run_id)
  join singularity_workflow.workflow_steps s using (workflow_id, step_no)
  where t.run_id = e.run_id and s.name = e.step and t.task_index = e.index
    and t.status = 'completed')
"""
_FIGURES = """
select (select count(*) from singularity_workflow.runs where status = 'completed') as runs,
       (select count(*) from singularity_workflow.step_states where status = 'completed') as steps,
       (select count(*) from singularity_workflow.tasks) as tasks,
       (select coalesce(sum(losses), 0) from singularity_workflow.tasks) as losses,
       (select count(*) from singularity_workflow.task_failures) as failures,
       (select count(*) from chaos.effects) as effects
"""


class Checks:
    """
    Look at the database when all is over.

    Args:
        dsn: Of the database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.slowest_recovery = 0.0

    def problems(
        self, runs: Sequence[Started], deaths: Sequence[Death]
    ) -> Iterator[str]:
        """Yield what does not hold, one sentence each."""
        with psycopg.connect(
            self._dsn, autocommit=True, row_factory=namedtuple_row
        ) as connection:
            yield from _outputs(runs)
            yield from _shown("open run", connection.execute(_OPEN).fetchall())
            yield from _shown("recorded twice", connection.execute(_TWICE).fetchall())
            yield from _shown(
                "completed unrecorded", connection.execute(_UNRECORDED).fetchall()
            )
            yield from self._effects(connection)
            yield from self._recoveries(connection, deaths)
        yield from self._invariants()

    def figures(self) -> dict[str, Any]:
        """Return counts of what was done."""
        with psycopg.connect(self._dsn, row_factory=namedtuple_row) as connection:
            row: Any = connection.execute(_FIGURES).fetchone()
            return row._asdict()

    def _effects(self, connection: psycopg.Connection[Any]) -> Iterator[str]:
        rows = connection.execute(_EFFECTS, (list(EFFECTS),)).fetchall()
        yield from _shown("effect not once", [row for row in rows if row.times != 1])
        strays = connection.execute(_STRAY_EFFECTS).fetchall()
        yield from _shown("effect without a result", strays)

    def _recoveries(
        self, connection: psycopg.Connection[Any], deaths: Sequence[Death]
    ) -> Iterator[str]:
        """Compare when a dead worker was declared lost with when it could have been."""
        for death in deaths:
            known = {
                "pid": death.pid,
                "born_at": death.born_at - timedelta(seconds=1),
                "died_at": death.died_at,
            }
            for row in connection.execute(_RECOVERIES, known):
                if row.lost_at is None:
                    yield f"dead worker {row.worker_id} was never declared lost"
                    continue
                seconds = (row.lost_at - row.since).total_seconds()
                self.slowest_recovery = max(self.slowest_recovery, seconds)
                if seconds > RECOVERY_BAR:
                    yield (
                        f"recovery of worker {row.worker_id} (pid {death.pid}, dead at "
                        f"{death.died_at:%H:%M:%S.%f}) began after {seconds:.2f} s"
                    )

    def _invariants(self) -> Iterator[str]:
        with psycopg.connect(self._dsn) as connection:
            try:
                assert_invariants(connection)
            except AssertionError as error:
                yield str(error)


def _outputs(runs: Sequence[Started]) -> Iterator[str]:
    failed = [run for run in runs if run.error is not None]
    yield from _shown("failed run", failed)
    hung = [run for run in runs if run.error is None and run.output is None]
    yield from _shown("run without an end", hung)
    wrong = [run for run in runs if run.output not in (None, run.expected)]
    yield from _shown("wrong output", wrong)


def _shown(what: str, rows: Sequence[object]) -> Iterator[str]:
    for row in rows[:_SHOWN]:
        yield f"{what}: {row}"
    if len(rows) > _SHOWN:
        yield f"{what}: and {len(rows) - _SHOWN} more"
