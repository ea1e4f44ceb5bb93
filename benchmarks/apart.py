"""
How a row is measured: in processes of its own, on a fresh database, and checked.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import psycopg

__all__ = ["Measurement", "WrongResult", "check_results", "check_runs", "run_apart"]

_FRESH = multiprocessing.get_context("spawn")
_COUNT_RUNS = """
select count(*), count(*) filter (where status = 'completed')
from singularity_workflow.runs
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
    """

    samples: dict[str, list[float]] = field(default_factory=dict)
    runs: int = 0

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


def check_runs(dsn: str, started: int) -> None:
    """
    Ask the database whether all runs are there, and completed.

    Raises:
        WrongResult: If one is missing, too many or not completed.
    """
    with psycopg.connect(dsn) as connection:
        counts = connection.execute(_COUNT_RUNS).fetchone()
    if counts != (started, started):
        raise WrongResult(
            f"{started} runs were started; the database has (all, completed): {counts}"
        )
