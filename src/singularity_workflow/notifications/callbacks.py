"""
Call a function with each item of a subscription, one after the other.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from singularity_workflow.notifications.subscription import Subscription
from singularity_workflow.telemetry.fields import log_fields

__all__ = ["call_with_each"]

logger = logging.getLogger(__name__)


async def call_with_each(
    subscription: Subscription[Any], callback: Callable[[Any], Any]
) -> None:
    """
    Call *callback* until the subscription ends.

    A coroutine function runs on the loop, a plain function in a thread of its own. What
    it raises is logged, and the next item is next.
    """
    threads = None
    call: Callable[[Any], Any] = callback
    if not inspect.iscoroutinefunction(inspect.unwrap(callback)):
        threads = ThreadPoolExecutor(1, "swf-callback")
        call = partial(_call_in, threads, callback)
    try:
        async for item in subscription:
            if subscription.is_closed:
                return
            try:
                found = call(item)
                if inspect.isawaitable(found):
                    found = await found
                if inspect.isawaitable(found):
                    await found
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                logger.exception(
                    "a callback of queue %r failed",
                    subscription.queue,
                    extra={
                        "queue": subscription.queue,
                        "message_id": getattr(item, "id", None),
                    },
                )
    except Exception:
        logger.exception(
            "the callbacks of queue %r have ended",
            subscription.queue,
            extra=log_fields(queue=subscription.queue),
        )
    finally:
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


def _call_in(
    threads: ThreadPoolExecutor, callback: Callable[[Any], Any], item: Any
) -> asyncio.Future[Any]:
    context = contextvars.copy_context()

    def call() -> Any:
        return context.run(_call, callback, item)

    return asyncio.get_running_loop().run_in_executor(threads, call)


def _call(callback: Callable[[Any], Any], item: Any) -> Any:
    try:
        return callback(item)
    except StopIteration as error:
        # a future cannot hold it, and would never be done
        raise RuntimeError("the callback raised StopIteration") from error
    except Exception:
        raise
    except BaseException as error:
        # sys.exit() ends a thread, not the loop of the engine
        raise RuntimeError(f"the callback raised {error!r}") from error


def _is_cancelled() -> bool:
    """Whether the callbacks are to end, and not just what one of them awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
