"""
Which row is measured when, and with what.

The floors are measured before each part and after the last one, so that a machine
that is faster or slower for a while shows in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import (
    chains,
    claimers,
    floors,
    goals,
    idle,
    large,
    latency,
    lifecycle,
    maps,
    messages,
    notify,
    pickup,
    runs,
    startup,
    workers,
)
from benchmarks.apart import Measurement, check_runs, run_apart
from benchmarks.events import EVENTS
from benchmarks.loads import Load
from benchmarks.servers import BenchServer

__all__ = ["PARTS", "Samples", "measure_all"]

Samples = dict[str, list[float]]

_MAP_NAMES = {1_000: "map1k", 10_000: "map10k", 100_000: "map100k"}
_WITHOUT_EVENTS = {100_000}


@dataclass(frozen=True, slots=True)
class _Task:
    """
    One measurement in a fresh database.

    Args:
        label: What it is called while it runs.
        measure: Takes the DSN.
    """

    label: str
    measure: Callable[[str], Measurement]


def measure_all(
    server: BenchServer, load: Load, parts: Sequence[str], say: Callable[[str], None]
) -> Samples:
    """
    Measure the floors and some parts.

    Args:
        server: Where.
        load: How much.
        parts: Which; see `PARTS`.
        say: Told what is measured now.

    Returns:
        One value a round, by the name of the figure.
    """
    samples: Samples = {}
    floor_database = server.fresh_database("floors")

    def add(found: Measurement) -> None:
        for name, values in found.samples.items():
            samples.setdefault(name, []).extend(values)

    for part in parts:
        tasks = list(PARTS[part](load))
        if not tasks and part != "startup":
            continue  # too much for a small load
        say("floors")
        add(floors.measure(floor_database, load))
        if part == "startup":
            say("startup")
            add(startup.measure(load))
        for task in tasks:
            say(task.label)
            database = server.fresh_database(part)
            found = task.measure(database)
            check_runs(database, found.runs, found.unfinished)
            add(found)
    say("floors")
    add(floors.measure(floor_database, load))
    return samples


def _latency(load: Load) -> Iterator[_Task]:
    yield _Task("latency", partial(_apart, latency.measure, load=load))


def _chains(load: Load) -> Iterator[_Task]:
    for processes, name, is_async in (
        (1, "chains_steps_per_s_1p", True),
        (2, "chains_steps_per_s_2p", True),
        (1, "chains_sync_steps_per_s_1p", False),
    ):
        kind = "chains" if is_async else "chains of plain functions"
        yield _Task(
            f"{kind}, {processes} process{'es' if processes > 1 else ''}",
            # makes its own processes
            partial(
                chains.measure,
                load=load, name=name, processes=processes, is_async=is_async,
            ),
        )  # fmt: skip


def _runs(load: Load) -> Iterator[_Task]:
    yield _Task("1-step runs", partial(_apart, runs.measure, load=load))


def _maps(load: Load) -> Iterator[_Task]:
    for size, rounds in load.map_rounds.items():
        measure = partial(
            maps.measure,
            size=size, rounds=rounds, name=_MAP_NAMES[size],
            variants=[False] if size in _WITHOUT_EVENTS else EVENTS,
        )  # fmt: skip
        yield _Task(f"map of {size:,}", partial(_apart, measure))
    plain = partial(
        maps.measure,
        size=10_000, rounds=load.map_rounds[10_000], name="map10k_sync",
        is_async=False,
    )  # fmt: skip
    yield _Task("map of 10,000, plain function", partial(_apart, plain))


def _workers(load: Load) -> Iterator[_Task]:
    # makes its own processes, beside the one that starts runs
    yield _Task("two worker processes", partial(workers.measure, load=load))


def _pickup(load: Load) -> Iterator[_Task]:
    yield _Task("pick-up by a worker process", partial(pickup.measure, load=load))


def _notify(load: Load) -> Iterator[_Task]:
    # makes its own processes, beside the one that starts runs
    yield _Task("NOTIFY and polling", partial(_apart, notify.measure, load=load))


def _idle(load: Load) -> Iterator[_Task]:
    if load.idle_seconds:
        yield _Task("an idle worker process", partial(idle.measure, load=load))


def _claimers(load: Load) -> Iterator[_Task]:
    if load.claims:
        yield _Task("many claimers", partial(_apart, claimers.measure, load=load))


def _large(load: Load) -> Iterator[_Task]:
    yield _Task("a large graph", partial(_apart, large.measure, load=load))


def _lifecycle(load: Load) -> Iterator[_Task]:
    yield _Task("cancel and pause", partial(_apart, lifecycle.measure, load=load))


def _messages(load: Load) -> Iterator[_Task]:
    # makes a process that listens
    yield _Task("messages", partial(messages.measure, load=load))


def _goals(load: Load) -> Iterator[_Task]:
    yield _Task("goals", partial(_apart, goals.measure, load=load))


def _startup(load: Load) -> Iterator[_Task]:
    """Yield nothing: it needs no database but servers of its own."""
    yield from ()


def _apart(
    measure: Callable[..., Measurement], dsn: str, **options: object
) -> Measurement:
    return run_apart(partial(measure, **options), dsn)


PARTS: dict[str, Callable[[Load], Iterator[_Task]]] = {
    "latency": _latency,
    "chains": _chains,
    "runs": _runs,
    "maps": _maps,
    "workers": _workers,
    "pickup": _pickup,
    "idle": _idle,
    "claimers": _claimers,
    "large": _large,
    "lifecycle": _lifecycle,
    "messages": _messages,
    "goals": _goals,
    "notify": _notify,
    "startup": _startup,
}
"""What can be measured, besides the floors, in this order."""
