"""
Who waits in this process for the end of which run.

A worker tells at once of the ends that it causes; for all others, and for whatever a
lost reply has swallowed, the waiters ask the database, ever more slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Iterable
from typing import Protocol
from uuid import UUID

from singularity_workflow.errors import RunNotFound, SingularityError
from singularity_workflow.store.replies import EndedRun

__all__ = ["ResultStore", "Waiters"]

logger = logging.getLogger(__name__)

_FIRST_ASK = 0.02
_LAST_ASK = 2.0
_MOST_RUNS_IN_ONE_QUESTION = 1_000


class ResultStore(Protocol):
    """The one call that the waiters make."""

    async def run_results(self, run_ids: Collection[UUID]) -> list[EndedRun]: ...


class Waiters:
    """
    Futures by run id.

    Args:
        store: Where ends can be asked for.
    """

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        self._futures: dict[str, list[asyncio.Future[EndedRun]]] = {}
        self._asked: set[str] = set()
        self._must_ask = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._futures

    async def wait(self, run_id: str, *, is_ours: bool) -> EndedRun:
        """
        Return the end of a run.

        Args:
            run_id: The run.
            is_ours: Whether this process runs it, and so will tell of its end.

        Raises:
            RunNotFound: If there is no such run.
        """
        future: asyncio.Future[EndedRun] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(run_id, []).append(future)
        if not is_ours:
            self._ask(run_id)
        try:
            return await future
        finally:
            self._drop(run_id, future)

    def tell(self, ended: Iterable[EndedRun]) -> None:
        """Wake those who wait for these runs."""
        for end in ended:
            if end.run_id not in self._futures:
                continue
            if end.status == "completed" and end.output is None:
                # nobody waited yet when the question was sent; the answer is there now
                self._ask(end.run_id)
                continue
            for future in self._futures[end.run_id]:
                if not future.done():
                    future.set_result(end)

    def ask_for_all(self) -> None:
        """Ask the database about every run: a reply may have been lost."""
        for run_id in self._futures:
            self._ask(run_id)

    async def close(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._asking

    def _drop(self, run_id: str, future: asyncio.Future[EndedRun]) -> None:
        futures = self._futures[run_id]
        futures.remove(future)
        if not futures:
            del self._futures[run_id]
            self._asked.discard(run_id)

    def _ask(self, run_id: str) -> None:
        self._asked.add(run_id)
        self._must_ask.set()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._keep_asking(), name="swf-waiters")

    async def _keep_asking(self) -> None:
        pause = _FIRST_ASK
        while self._asked:
            self._must_ask.clear()
            try:
                await self._ask_once(list(self._asked)[:_MOST_RUNS_IN_ONE_QUESTION])
            except SingularityError as error:
                logger.warning("cannot ask for the ends of runs: %s", error.message)
            try:
                await asyncio.wait_for(self._must_ask.wait(), pause)
                pause = _FIRST_ASK
            except TimeoutError:
                pause = min(pause * 1.5, _LAST_ASK)

    async def _ask_once(self, run_ids: list[str]) -> None:
        try:
            ended = await self._store.run_results([UUID(one) for one in run_ids])
        except RunNotFound as error:
            await self._find_missing(run_ids, error)
            return
        self.tell(ended)

    async def _find_missing(self, run_ids: list[str], error: RunNotFound) -> None:
        """Fail the waiters of the run that does not exist, and of no other."""
        if len(run_ids) > 1:
            for run_id in run_ids:
                await self._ask_once([run_id])
            return
        self._asked.discard(run_ids[0])
        for future in self._futures.get(run_ids[0], ()):
            if not future.done():
                future.set_exception(error)
