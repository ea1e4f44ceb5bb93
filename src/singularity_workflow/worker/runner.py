"""
Run the body of one task, wherever it belongs, and say what became of it.

Coroutines run on the event loop, plain functions in threads, and what asks for it by an
executor's name there. A time-out ends the attempt, not always the code: a coroutine is
cancelled, a process of ours killed; a thread cannot be stopped and is abandoned, which
the log says.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID

import orjson

from singularity_workflow.errors import InvalidInput, InvalidOutput, StepTimeout
from singularity_workflow.model.children import ChildCall
from singularity_workflow.model.compiled import CompiledStep, CompiledWorkflow
from singularity_workflow.model.context import Context
from singularity_workflow.model.ids import IdMaker
from singularity_workflow.model.inputs import StepInputs
from singularity_workflow.model.json_codec import decode_json
from singularity_workflow.model.signals import Fail, Retry, Skip
from singularity_workflow.model.signature import StepFunction
from singularity_workflow.store.replies import Reply, TaskRef
from singularity_workflow.telemetry.elsewhere import run_as_task
from singularity_workflow.telemetry.fields import of_context
from singularity_workflow.telemetry.tracing import current_traceparent
from singularity_workflow.worker.executors import Executors
from singularity_workflow.worker.outcome import (
    Outcome,
    describe_error,
    encode_batch,
    storable_message,
)
from singularity_workflow.worker.step_transactions import TransactionBlock
from singularity_workflow.worker.told_events import ToldEvents

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["Job", "Runner"]

logger = logging.getLogger(__name__)

_Ended: TypeAlias = bytes | Reply | BaseException | None
_Output: TypeAlias = _Ended | ChildCall
"""None: the predicates of the step did not let it run."""

_GRACE_AFTER_CANCEL: Final = 1.0
"""Seconds that a cancelled coroutine has to end before it is abandoned."""


class Job:
    """
    One task that runs here.

    Args:
        ref: The attempt.
        step: What to run.
        inputs: What on.
        context: What the step sees of itself.
    """

    __slots__ = (
        "began_at",
        "block",
        "context",
        "has_begun",
        "inputs",
        "is_gone",
        "is_let_in",
        "is_overdue",
        "is_redacted",
        "ref",
        "remote",
        "span",
        "step",
        "task",
    )

    def __init__(
        self, ref: TaskRef, step: CompiledStep, inputs: StepInputs, context: Context
    ) -> None:
        self.ref = ref
        self.step = step
        self.inputs = inputs
        self.context = context
        self.task: asyncio.Task[None] | None = None
        self.has_begun = False
        self.is_gone = False
        # whether the predicates of the step have been asked, and hold
        self.is_let_in = False
        self.is_overdue = False
        # what an executor by name was given
        self.remote: Future[Any] | None = None
        # whether what its error says is not to be told
        self.is_redacted = False
        # by the clock that only grows, and what traces it
        self.began_at = 0.0
        self.span: Span | None = None
        # the transaction that the step may open
        self.block: TransactionBlock | None = None

    def begin(self) -> bool:
        """Take note that the task's coroutine runs; False if it is stopped already."""
        self.has_begun = True
        return not self.is_gone

    def stop(self) -> None:
        """Make the step end as soon as it can; nobody waits for its outcome."""
        self.is_gone = True
        self.context.cancel()
        # cancelled before its first step, a coroutine would never run its `finally`
        if self.task is not None and self.has_begun:
            self.task.cancel()


class Runner:
    """
    Run tasks.

    Args:
        resources: What steps get by name.
        threads: Where plain functions run.
        executors: Where steps run that say where.
        dsn: Where the transactions of steps are opened.
        worker_id: Tells who we are.
        children: Finds the code of child workflows by name.
        on_child: Told of child runs whose step brought their code with it.
        told: What tasks tell while they run.
    """

    def __init__(
        self,
        *,
        resources: Mapping[str, object],
        threads: Executor,
        executors: Executors,
        dsn: str,
        worker_id: Callable[[], UUID],
        children: Callable[[str], tuple[int, CompiledWorkflow] | None],
        on_child: Callable[[str, CompiledWorkflow], None],
        told: ToldEvents,
    ) -> None:
        self._told = told
        self._children = children
        self._on_child = on_child
        self._ids = IdMaker()
        self._dsn = dsn
        self._worker_id = worker_id
        self._resources = resources
        self._threads = threads
        self._executors = executors

    async def run(self, job: Job) -> Outcome:
        """
        Run one task to its end, or to its time-out.

        Raises:
            asyncio.CancelledError: Only if the job was stopped.
        """
        timeout = job.step.timeout
        child = job.step.definition.workflow
        try:
            if timeout is not None:
                output = await self._run_in_time(job, timeout.total_seconds())
            else:
                output = await self._run_body(job)
        except asyncio.CancelledError as error:
            if job.is_gone:
                if job.remote is not None:
                    self._executors.kill(job.remote)
                raise
            # the step cancelled itself: that is a way to fail
            return _failed(job, error)
        except BaseException as error:
            is_main = threading.current_thread() is threading.main_thread()
            if isinstance(error, KeyboardInterrupt) and job.step.is_async and is_main:
                raise  # it may be the user's: Ctrl-C reaches the main thread only
            return _failed(job, error)
        if child is not None and isinstance(output, bytes):
            found = job.step.child or self._children(child)
            return self._call_child(job, found, child, output)
        if isinstance(output, ChildCall):
            found = output.workflow_id, output.workflow
            return self._call_child(
                job, found, output.workflow.name, output.input, output.goal
            )
        return _ended(job, output)

    async def _is_met(self, job: Job) -> bool:
        """Tell whether the predicates of the step let it run."""
        for predicate, wanted in ((job.step.when, True), (job.step.when_not, False)):
            if predicate is None:
                continue
            arguments = predicate.binding.arguments(
                job.inputs, job.context, self._resources
            )
            call = functools.partial(predicate.function, **arguments)
            answer: bool | BaseException
            if predicate.is_async:
                answer = bool(await call())  # type: ignore[misc]
            else:
                context = contextvars.copy_context()
                future = self._threads.submit(context.run, _judge, call)
                answer = await asyncio.wrap_future(future)
                if isinstance(answer, BaseException):
                    raise answer
            if answer is not wanted:
                return False
        return True

    def _call_child(
        self,
        job: Job,
        found: tuple[int, CompiledWorkflow] | None,
        name: str,
        value: object,
        goal: Mapping[str, object] | None = None,
    ) -> Outcome:
        """
        Ask for the child run that the task stands for; its end is the task's.

        Args:
            job: The task.
            found: The child's workflow and its number, None if it is not known here.
            name: Its name.
            value: The child's input, as JSON if it is bytes.
            goal: What is told of it as a goal; None: it is none.
        """
        run_id = str(self._ids.new_id())
        request: dict[str, object] = {"run": run_id}
        if (traceparent := current_traceparent()) is not None:
            request["traceparent"] = traceparent
        if goal is not None:
            request["goal"] = goal
        # a timeout that the workflow gives to all of its steps is none of a whole run
        limits = [job.step.definition.options.timeout]
        try:
            if found is None:
                assert isinstance(value, bytes)
                request |= {"workflow": name, "input": orjson.Fragment(value)}
            else:
                workflow_id, workflow = found
                limits.append(workflow.definition.options.deadline)
                given = decode_json(value) if isinstance(value, bytes) else value
                data = workflow.input.encode(given)
                if job.step.child is not None or not isinstance(value, bytes):
                    self._on_child(run_id, workflow)
                request |= {
                    "workflow_id": workflow_id,
                    "input": orjson.Fragment(data),
                }
        except InvalidInput as error:
            return _failed(job, error)
        if job.step.definition.options.timeout is not None:
            limit = min(one for one in limits if one is not None)
            request["timeout"] = limit.total_seconds()
        return Outcome(task=job.ref, kind="called", output=orjson.dumps(request))

    def _run_body(self, job: Job) -> Coroutine[Any, Any, _Output]:
        if job.step.has_predicates and not job.is_let_in:
            return self._run_if_met(job)
        self._offer(job)
        if job.step.options.executor is not None:
            return self._run_elsewhere(job, job.step.options.executor)
        if job.step.is_async:
            return self._run_here(job)
        return self._run_in_thread(job)

    def _offer(self, job: Job) -> None:
        """Let the body open a transaction and tell events; its predicates must not."""
        step = job.step
        if not step.binding.takes_context:
            return
        job.context.offer_events(functools.partial(self._told.tell, job.ref))
        if step.options.executor is None and step.definition.workflow is None:
            job.block = TransactionBlock(self._dsn)
            job.context.offer_transaction(job.block)

    async def _run_if_met(self, job: Job) -> _Output:
        if not await self._is_met(job):
            return None
        job.is_let_in = True
        return await self._run_body(job)

    async def _run_elsewhere(self, job: Job, executor: str) -> bytes:
        step = job.step
        arguments = step.binding.arguments(job.inputs, job.context, self._resources)
        function = step.function
        if step.is_async:
            function = functools.partial(_run_coroutine, function)
        function = functools.partial(
            run_as_task,
            function,
            job.context,
            self._worker_id(),
            current_traceparent(),
        )
        job.remote = self._executors.submit(
            executor,
            function,
            arguments,
            functools.partial(self._told.tell, job.ref),
        )
        return step.output.encode(await asyncio.wrap_future(job.remote))

    async def _run_here(self, job: Job) -> _Output:
        step = job.step
        arguments = step.binding.arguments(job.inputs, job.context, self._resources)
        try:
            # the compiler knows a coroutine function when it sees one
            value = await step.function(**arguments)  # type: ignore[misc]
            if isinstance(value, ChildCall):
                return value
            output = step.output.encode(value)
            if job.block is None or job.block.async_transaction is None:
                return output
            events = await self._told.settle(job.ref)
            return await job.block.async_transaction.complete(
                *self._completion(job, output, events)
            )
        finally:
            if job.block is not None and job.block.async_transaction is not None:
                await job.block.async_transaction.close()

    async def _run_in_thread(self, job: Job) -> _Output:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        future = self._threads.submit(context.run, self._call, job, loop)
        return await asyncio.wrap_future(future)

    def _call(self, job: Job, loop: asyncio.AbstractEventLoop) -> _Output:
        """Do all of a plain function's work in its thread: the loop stays free."""
        step = job.step
        try:
            arguments = step.binding.arguments(job.inputs, job.context, self._resources)
            value = step.function(**arguments)
            if isinstance(value, ChildCall):
                return value
            output = step.output.encode(value)
            if job.block is None or job.block.transaction is None:
                return output
            events: Sequence[Mapping[str, object]] = ()
            if self._told.has_told(job.ref):
                settling = self._told.settle(job.ref)
                events = asyncio.run_coroutine_threadsafe(settling, loop).result()
            return job.block.transaction.complete(
                *self._completion(job, output, events)
            )
        except BaseException as error:
            # a future cannot carry each of them: not StopIteration, for one
            return error
        finally:
            if job.block is not None and job.block.transaction is not None:
                job.block.transaction.close()

    def _completion(
        self, job: Job, output: bytes, events: Sequence[Mapping[str, object]]
    ) -> tuple[UUID, bytes, UUID]:
        outcome = Outcome(task=job.ref, kind="completed", output=output, events=events)
        return self._worker_id(), encode_batch([outcome]), job.context.run_id

    async def _run_in_time(self, job: Job, seconds: float) -> _Output:
        body = asyncio.ensure_future(_returning_exits(self._run_body, job))
        try:
            done, _ = await asyncio.wait({body}, timeout=seconds)
            if done:
                return body.result()
            await self._give_up(job, body)
        except asyncio.CancelledError:
            body.cancel()
            raise
        raise StepTimeout(
            f"step {job.step.name!r} took longer than its timeout of {seconds:g} s"
        )

    async def _give_up(self, job: Job, body: asyncio.Future[_Output]) -> None:
        job.is_overdue = True
        job.context.cancel()
        is_killed = job.remote is not None and self._executors.kill(job.remote)
        body.cancel()
        body.add_done_callback(_drop_result)
        if is_killed:
            return
        if job.step.is_async and job.remote is None:
            await asyncio.wait({body}, timeout=_GRACE_AFTER_CANCEL)
            if body.done():
                return
        logger.warning(
            "step %r of run %s goes on after its timeout and was abandoned: %s",
            job.step.name,
            job.ref.run_id,
            "it ignores its cancellation"
            if job.step.is_async and job.remote is None
            else "what runs it cannot be stopped; let it look at ctx.cancelled",
            extra=of_context(job.context, self._worker_id()),
        )


def _judge(call: Callable[[], object]) -> bool | BaseException:
    """Ask a predicate in its thread; see `Runner._call` for why errors are returned."""
    try:
        answer = call()
        if isinstance(answer, Coroutine):
            answer.close()  # which is always true, whatever it would return
            return TypeError(
                "the predicate returned a coroutine: make it a coroutine function"
            )
        return bool(answer)
    except BaseException as error:
        return error


def _run_coroutine(function: StepFunction, /, **arguments: object) -> object:
    """Run a coroutine step where there is no event loop."""
    coroutine: Any = function(**arguments)
    return asyncio.run(coroutine)


async def _returning_exits(
    run: Callable[[Job], Awaitable[_Output]], job: Job
) -> _Output:
    """Return what would stop the event loop if a task of its own raised it."""
    try:
        return await run(job)
    except (SystemExit, KeyboardInterrupt) as error:
        return error


def _drop_result(body: asyncio.Future[_Output]) -> None:
    """Take note of a result that comes too late, so that asyncio does not complain."""
    if not body.cancelled():
        body.exception()


def _ended(job: Job, output: _Ended) -> Outcome:
    if isinstance(output, bytes):
        return Outcome(task=job.ref, kind="completed", output=output)
    if isinstance(output, Reply):
        return Outcome(task=job.ref, kind="recorded", reply=output)
    if output is None:
        return Outcome(task=job.ref, kind="unmet")
    return _failed(job, output)


def _failed(job: Job, error: BaseException) -> Outcome:
    if isinstance(error, Skip):
        reason = {"type": "Skip", "message": storable_message(error)}
        return Outcome(task=job.ref, kind="skipped", error=reason)
    outcome = Outcome(task=job.ref, kind="failed", error=describe_error(error))
    if isinstance(error, Retry):
        if error.after is not None:
            outcome.retry_after = error.after.total_seconds()
    else:
        # what a step gets and gives is the same at every attempt
        outcome.is_final = isinstance(
            error, (Fail, InvalidInput, InvalidOutput)
        ) or not _is_worth_a_retry(job.step, error)
    return outcome


def _is_worth_a_retry(step: CompiledStep, error: BaseException) -> bool:
    if isinstance(error, asyncio.CancelledError):
        return True
    return step.retry.should_retry(error)
