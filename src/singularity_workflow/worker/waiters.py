"""
Who waits in this process for the end of which run.

A worker tells at once of the ends that it causes; for all others, and for whatever a
lost reply has swallowed, the waiters ask the database, ever more slowly. Of the runs
of this process they ask now and then too: another one may have cancelled them or fired
their deadline. A run that may have another owner by now is asked about like any other
that is not ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, Protocol
from uuid import UUID

from singularity_workflow.errors import (
    ConfigurationError,
    RunNotFound,
    SingularityError,
)
from singularity_workflow.model.compiled import CompiledWorkflow
from singularity_workflow.store.replies import EndedRun

__all__ = ["ResultStore", "Waiters"]

logger = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.02
_LAST_PAUSE: Final = 2.0
_PAUSE_BETWEEN_LOOKS_AT_ALL: Final = 10.0
_PAUSE_BETWEEN_LOOKS_WHEN_DEAF: Final = 1.0
_MOST_RUNS_IN_ONE_QUESTION: Final = 1_000
_MOST_REMEMBERED = 10_000


class ResultStore(Protocol):
    """The one call that the waiters make."""

    async def run_results(self, run_ids: Collection[UUID]) -> list[EndedRun]: ...


class Waiters:
    """
    Futures by run id.

    Args:
        store: Where ends can be asked for.
        is_told: Whether notifications arrive of what others do.
    """

    def __init__(
        self, store: ResultStore, is_told: Callable[[], bool] = lambda: True
    ) -> None:
        self._store = store
        self._is_told = is_told
        self._futures: dict[str, list[asyncio.Future[EndedRun]]] = {}
        # True: ask until the end is there; False: ask once, then we will be told
        self._questions: dict[str, bool] = {}
        # runs of this process whose end it has not seen yet, and so will tell of; each
        # with its workflow, whose code must be here until then
        self._ours: dict[str, CompiledWorkflow | None] = {}
        # those that are being started: the database need not have them yet
        self._expected: set[str] = set()
        self._must_ask = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._is_away = False

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._futures

    @contextlib.contextmanager
    def expect(self, run_id: str) -> Iterator[asyncio.Future[EndedRun]]:
        """Be told of the end of a run that is yet to be started by this process."""
        self._expected.add(run_id)
        try:
            with self._awaited(run_id) as future:
                yield future
        finally:
            self._expected.discard(run_id)

    @contextlib.contextmanager
    def expect_many(
        self, run_ids: Sequence[str]
    ) -> Iterator[list[asyncio.Future[EndedRun]]]:
        """Be told of the ends of runs that are yet to be started by this process."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in run_ids]
        for run_id, future in zip(run_ids, futures, strict=True):
            self._futures.setdefault(run_id, []).append(future)
        self._expected.update(run_ids)
        self._keep_asking()
        try:
            yield futures
        finally:
            self._expected.difference_update(run_ids)
            for run_id, future in zip(run_ids, futures, strict=True):
                self._drop(run_id, future)

    @contextlib.contextmanager
    def _awaited(self, run_id: str) -> Iterator[asyncio.Future[EndedRun]]:
        future: asyncio.Future[EndedRun] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(run_id, []).append(future)
        self._keep_asking()
        try:
            yield future
        finally:
            self._drop(run_id, future)

    async def wait(self, run_id: str, *, is_ours: bool) -> EndedRun:
        """
        Return the end of a run that was started.

        Args:
            run_id: The run.
            is_ours: Whether this process runs it, and so will tell of its end.

        Raises:
            RunNotFound: If there is no such run.
        """
        with self._awaited(run_id) as future:
            if not (is_ours and run_id in self._ours):
                # another process has it, or its end was told before: then once will do
                self._ask(run_id, again=True)
            return await future

    def track(
        self,
        run_ids: Iterable[str],
        workflows: Iterable[CompiledWorkflow] | None = None,
    ) -> None:
        """
        Take note of runs that this process is about to start, and runs itself.

        Args:
            run_ids: The runs.
            workflows: The workflow of each, which is held until the run has ended.
        """
        if workflows is None:
            self._ours.update(dict.fromkeys(run_ids))
        else:
            self._ours.update(zip(run_ids, workflows, strict=True))

    def workflow_of(self, run_id: str) -> CompiledWorkflow | None:
        """
        Return the workflow that a run of this process was started with.

        Two runs of one version may have been started with different functions.
        """
        return self._ours.get(run_id)

    def untrack(self, run_ids: Iterable[str]) -> None:
        """Take note that nobody here will tell of the ends of these runs."""
        for run_id in run_ids:
            self._ours.pop(run_id, None)

    def disown(self, run_ids: Iterable[str]) -> None:
        """Take note that these runs may be another's now, and ask until they ended."""
        for run_id in run_ids:
            self._ours.pop(run_id, None)
            if run_id in self._futures:
                self._ask(run_id, again=True)

    def disown_all_but(self, kept: Collection[str]) -> None:
        """Take note that of the runs of this process only these are still its own."""
        self.disown(self._ours.keys() - set(kept))

    def tell(self, ended: Iterable[EndedRun]) -> None:
        """Wake those who wait for these runs."""
        for end in ended:
            self._ours.pop(end.run_id, None)
            if end.run_id not in self._futures:
                continue
            if end.status == "completed" and end.output is None:
                # nobody waited yet when the question was sent; the answer is there now
                self._ask(end.run_id, again=True)
                continue
            self._questions.pop(end.run_id, None)
            for future in self._futures[end.run_id]:
                if not future.done():
                    future.set_result(end)

    def ask_for_all(self) -> None:
        """Ask the database about every run: a reply may have been lost."""
        for run_id in self._futures:
            self._ask(run_id, again=False)

    def ask_again(self, run_ids: Iterable[str]) -> None:
        """Ask the database about these runs until they have ended."""
        for run_id in run_ids:
            self._expected.discard(run_id)
            self._ask(run_id, again=True)

    def ask_about(self, run_ids: Iterable[str]) -> None:
        """Ask about those of the runs that somebody waits for: others ended them."""
        for run_id in run_ids:
            self._ours.pop(run_id, None)
            if run_id in self._futures:
                self._ask(run_id, again=False)

    async def close(self) -> None:
        """Stop asking, and let nobody wait for what will not be told any more."""
        for run_id, futures in self._futures.items():
            for future in futures:
                if not future.done():
                    future.set_exception(
                        ConfigurationError(
                            f"the engine was closed while run {run_id} was waited for",
                            hint="The run goes on: see get_handle and recover.",
                        )
                    )
                    future.exception()  # who was cancelled with us does not look
        if self._asking is not None:
            self._asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._asking

    def _drop(self, run_id: str, future: asyncio.Future[EndedRun]) -> None:
        futures = self._futures[run_id]
        futures.remove(future)
        if not futures:
            del self._futures[run_id]
            self._questions.pop(run_id, None)

    def _ask(self, run_id: str, *, again: bool) -> None:
        self._questions[run_id] = again or self._questions.get(run_id, False)
        self._must_ask.set()

    def _keep_asking(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_in_turn(), name="swf-waiters")

    async def _ask_in_turn(self) -> None:
        """Ask while anybody waits: soon at first, then ever more slowly."""
        pause = _FIRST_PAUSE
        last_look_at_all = asyncio.get_running_loop().time()
        while self._futures:
            try:
                await asyncio.wait_for(self._must_ask.wait(), pause)
                pause = _FIRST_PAUSE
            except TimeoutError:
                pause = min(pause * 1.5, _LAST_PAUSE)
            self._must_ask.clear()
            now = asyncio.get_running_loop().time()
            patience = (
                _PAUSE_BETWEEN_LOOKS_AT_ALL
                if self._is_told()
                else _PAUSE_BETWEEN_LOOKS_WHEN_DEAF
            )
            if now - last_look_at_all > patience:
                last_look_at_all = now
                self.ask_for_all()
            await self._ask_all_questions()

    async def _ask_all_questions(self) -> None:
        asked = list(self._questions)
        for first in range(0, len(asked), _MOST_RUNS_IN_ONE_QUESTION):
            part = asked[first : first + _MOST_RUNS_IN_ONE_QUESTION]
            try:
                await self._ask_once(part)
            except SingularityError as error:
                if not self._is_away:
                    logger.warning("cannot ask for the ends of runs: %s", error.message)
                self._is_away = True
                return
            except Exception:
                logger.exception("asking for the ends of runs failed, trying again")
                return
            self._is_away = False
            for run_id in part:
                if self._questions.get(run_id) is False:
                    del self._questions[run_id]

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
            middle = len(run_ids) // 2
            await self._ask_once(run_ids[:middle])
            await self._ask_once(run_ids[middle:])
            return
        if run_ids[0] in self._expected:
            return
        self._questions.pop(run_ids[0], None)
        for future in self._futures.get(run_ids[0], ()):
            if not future.done():
                future.set_exception(error)
