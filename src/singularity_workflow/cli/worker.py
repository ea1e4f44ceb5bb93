"""
`worker`: serve queues, in one process or in several.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import logging
import os
import signal
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from singularity_workflow.cli.supervisor import Supervisor
from singularity_workflow.engine.async_engine import AsyncEngine
from singularity_workflow.engine.settings import DEFAULT_CONCURRENCY, DEFAULT_LEASE
from singularity_workflow.engine.worker import DEFAULT_GRACE, Worker
from singularity_workflow.errors import ConfigurationError
from singularity_workflow.logging import configure
from singularity_workflow.model.workflow import Workflow

__all__ = ["add_commands", "load_workflows", "make_workflows"]

logger = logging.getLogger(__name__)


def add_commands(nouns: Any) -> None:
    """Add the command to the parser."""
    parser = nouns.add_parser(
        "worker",
        help="run the tasks of distributed runs",
        description="Run the tasks of distributed runs until SIGTERM or Ctrl-C; a "
        "second one does not wait for the grace period.",
    )
    parser.set_defaults(run=_run)
    parser.add_argument(
        "target",
        metavar="MODULE[:NAME]",
        help="where the workflows are: a module, or a name in it that is a workflow, "
        "a list of them, or a function that takes the AsyncEngine and returns either",
    )
    parser.add_argument(
        "--queues", help="names, with commas; by default those of the workflows"
    )
    parser.add_argument(
        "--resources", metavar="MODULE:NAME",
        help="a mapping of what steps get by name, or a function that returns one",
    )  # fmt: skip
    parser.add_argument(
        "--executors", metavar="MODULE:NAME",
        help="a mapping of executors by name, or a function that returns one",
    )  # fmt: skip
    parser.add_argument(
        "--concurrency", type=int, default=DEFAULT_CONCURRENCY, metavar="N",
        help="the most tasks at once, in each process (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N",
        help="how many processes (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--grace", type=float, default=DEFAULT_GRACE, metavar="SECONDS",
        help="how long tasks may go on after SIGTERM (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--lease", type=float, default=DEFAULT_LEASE, metavar="SECONDS",
        help="after which silence a worker counts as lost (default: %(default)s)",
    )  # fmt: skip
    # of the supervisor, for the processes that it starts
    parser.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help="address of the database, as of `db migrate`")
    parser.add_argument(
        "--log-level",
        default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        help="what is logged, to standard error (default: %(default)s)",
    )
    parser.add_argument(
        "--log-json", action="store_true", help="log one JSON object a line"
    )


async def _run(options: argparse.Namespace) -> int:
    configure(json=options.log_json, level=options.log_level)
    if options.processes < 1:
        raise ConfigurationError(f"--processes must be >= 1, got {options.processes}")
    if options.processes > 1:
        load_workflows(options.target)  # a mistake is told once, not by each process
        return await Supervisor(options.processes, options.grace).run()

    found = load_workflows(options.target)
    queues = options.queues.split(",") if options.queues else None
    async with AsyncEngine(
        options.dsn, concurrency=options.concurrency, lease=options.lease
    ) as engine:
        worker = Worker(
            engine,
            await make_workflows(options.target, found, engine),
            queues,
            resources=_load_mapping(options.resources),
            executors=_load_mapping(options.executors),
        )
        if options.lifeline is not None:
            _end_with_supervisor(worker, options.lifeline)
        await _work(worker, options.grace)
    return 0


def _end_with_supervisor(worker: Worker, pipe: int) -> None:
    """End in good order when nobody is left who could ask for it."""
    loop = asyncio.get_running_loop()
    os.set_inheritable(pipe, False)  # noqa: FBT003

    def on_end() -> None:
        loop.remove_reader(pipe)
        logger.warning("the supervisor is gone: ending in good order")
        worker.stop()

    loop.add_reader(pipe, on_end)


async def _work(worker: Worker, grace: float) -> None:
    """Let the first signal end the worker in good order, and the second at once."""
    loop = asyncio.get_running_loop()
    must_hurry = asyncio.Event()
    signals: list[int] = []

    def on_signal(number: int) -> None:
        signals.append(number)
        if len(signals) == 1:
            worker.stop()
        else:
            must_hurry.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    working = asyncio.ensure_future(worker.run(grace))
    hurrying = asyncio.ensure_future(must_hurry.wait())
    await asyncio.wait({working, hurrying}, return_when=asyncio.FIRST_COMPLETED)
    hurrying.cancel()
    if not working.done():
        working.cancel()
    try:
        await working
    except asyncio.CancelledError:
        await worker.close()


def load_workflows(target: str) -> list[object]:
    """
    Return the workflows that `module` or `module:name` stands for, or what makes them.

    Raises:
        ConfigurationError: If there are none.
    """
    module_name, _, name = target.partition(":")
    module = _load_module(module_name)
    found = _in_module(module) if not name else _named(module, name)
    if not found:
        raise ConfigurationError(
            f"no workflow is in {target!r}",
            hint="Give the name of one, as in app.flows:etl, or of a function that "
            "takes the engine and returns some.",
        )
    return found


async def make_workflows(
    target: str, found: list[object], engine: AsyncEngine
) -> list[object]:
    """
    Return *found*, with what its functions return in their place.

    Those of goals need an engine, which is there only now.

    Raises:
        ConfigurationError: If one returns no workflow.
    """
    workflows: list[object] = []
    for one in found:
        if not _is_maker(one):
            workflows.append(one)
            continue
        made = one(engine)  # type: ignore[operator]
        if inspect.isawaitable(made):
            made = await made
        listed = list(made) if isinstance(made, (list, tuple)) else [made]
        if not listed or made is None:
            raise ConfigurationError(
                f"the function {target!r} returns no workflow",
                hint="Return one, or a list of them.",
            )
        workflows += listed
    return workflows


def _is_maker(value: object) -> bool:
    return inspect.isroutine(value) and not hasattr(value, "__workflow_steps__")


def _load_mapping(target: str | None) -> dict[str, Any]:
    """Return the mapping that `module:name` stands for, by itself or when called."""
    if target is None:
        return {}
    module_name, _, name = target.partition(":")
    found = getattr(_load_module(module_name), name or "", None)
    if callable(found):
        found = found()
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f"{target!r} is no mapping of names",
            hint="Give MODULE:NAME of a dict, or of a function that returns one.",
        )
    return dict(found)


def _load_module(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise ConfigurationError(
            f"there is no module {name!r}",
            hint="Give the module as it is imported, from the folder that holds it.",
        ) from error


def _in_module(module: ModuleType) -> list[object]:
    found: list[object] = [
        value
        for value in vars(module).values()
        if isinstance(value, Workflow)
        or (isinstance(value, type) and hasattr(value, "__workflow_steps__"))
    ]
    if hasattr(module, "__workflow_steps__"):
        found.append(module)
    return list(dict.fromkeys(found))


def _named(module: ModuleType, name: str) -> list[object]:
    value = getattr(module, name, None)
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if value is None else [value]
