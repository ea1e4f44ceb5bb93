"""
Where the bodies of steps run that ask for a place by name.

`process` is a pool of this worker; every other name is an executor that the application
gave: of the standard library, or of a distributed engine such as Dask.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any, Final

from singularity_workflow.errors import InvalidSetting
from singularity_workflow.model.context import Tell
from singularity_workflow.model.names import did_you_mean
from singularity_workflow.worker.processes import ProcessSlots

__all__ = ["PROCESS", "Executors"]

PROCESS: Final = "process"


class Executors:
    """
    Executors by name.

    Args:
        given: Those of the application.
        process_count: The most processes of our own at once.
    """

    def __init__(self, given: Mapping[str, Executor], process_count: int) -> None:
        if PROCESS in given:
            raise InvalidSetting(
                f"an executor cannot be called {PROCESS!r}: that is the worker's own"
            )
        self._given = dict(given)
        self._process_count = process_count
        self._processes: ProcessSlots | None = None

    def submit(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Mapping[str, object],
        tell: Tell,
    ) -> Future[Any]:
        """
        Run *function* where *name* says.

        What it tells in a process of our own goes to *tell*.

        Raises:
            InvalidSetting: If this worker has no such executor.
        """
        if name == PROCESS:
            if self._processes is None:
                self._processes = ProcessSlots(self._process_count)
            return self._processes.submit(function, dict(arguments), tell)
        executor = self._given.get(name)
        if executor is None:
            raise InvalidSetting(
                f"this worker has no executor {name!r}",
                hint=did_you_mean(name, [PROCESS, *self._given])
                or "Give the worker one: Worker(..., executors={...}).",
            )
        return executor.submit(functools.partial(function, **arguments))

    def kill(self, future: Future[Any]) -> bool:
        """End the process that runs *future*; False if it cannot be ended."""
        return self._processes is not None and self._processes.kill(future)

    def close(self) -> None:
        """End the processes of our own."""
        if self._processes is not None:
            self._processes.close()
