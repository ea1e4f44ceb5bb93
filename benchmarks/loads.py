"""
How much work each row is made of.

The figures are medians over the rounds. A quick load is for a try and for CI: it skips
the map of 100,000 elements, the idle worker and the many claimers, and ends within
two minutes on two cores.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

__all__ = ["FULL", "QUICK", "Load"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """
    The size of one benchmark.

    Args:
        rounds: How often each row is measured.
        commits: Inserts a round of floor (e).
        cycles: Cycles of send, read and delete a round of floor (f).
        singles: 1-step runs, one after the other, a round of (a).
        lone_chains: 10-step chains, one after the other, a round of (a).
        chains: Chains at once, in each process, a round of (b).
        runs: 1-step runs that a round of (c) starts in bulk.
        map_rounds: How often a map of so many elements is measured in (d).
        worker_runs: 1-step runs that a round of (g) starts in bulk.
        worker_chains: 10-step chains that a round of (g) starts in bulk.
        pickups: Runs, one after the other, a round of (h).
        idle_seconds: How long the statements of (i) are counted; 0: it is skipped.
        starts: Runs that each connection starts a round of (n).
        claims: Calls of each number of connections a round of (j); 0: it is skipped.
        graph_steps: Steps of the graph of (k).
        cancelled: Queued tasks of a run that is cancelled in (l).
        cancel_rounds: How often that is measured.
        messages: Messages, one each millisecond, a round of (m).
        batched_messages: Messages in batches of 100 a round of (m).
        ladder: Tasks of the plan that (o) checks.
        goal_tasks: Tasks of the goal whose first one (o) waits for.
        goals: Goals of three tasks, one after the other, a round of (o).
        imports: Interpreters that are started to time an import.
        new_servers: Embedded servers that are made to time a first connection.
        connects: Engines that are connected to a warm one.
    """

    rounds: int
    commits: int
    cycles: int
    singles: int
    lone_chains: int
    chains: int
    runs: int
    map_rounds: dict[int, int]
    worker_runs: int
    worker_chains: int
    pickups: int
    idle_seconds: float
    starts: int
    claims: int
    graph_steps: int
    cancelled: int
    cancel_rounds: int
    messages: int
    batched_messages: int
    ladder: int
    goal_tasks: int
    goals: int
    imports: int
    new_servers: int
    connects: int

    def to_dict(self) -> dict[str, object]:
        """Return all sizes by name."""
        return asdict(self)

    def with_rounds(self, rounds: int) -> Load:
        """Return the same load with another number of rounds."""
        map_rounds = {size: min(rounds, n) for size, n in self.map_rounds.items()}
        return replace(self, rounds=rounds, map_rounds=map_rounds)


FULL = Load(
    rounds=5,
    commits=1_000,
    cycles=200,
    singles=500,
    lone_chains=150,
    chains=1_000,
    runs=10_000,
    map_rounds={1_000: 5, 10_000: 5, 100_000: 2},
    worker_runs=20_000,
    worker_chains=2_000,
    pickups=200,
    idle_seconds=20,
    starts=300,
    claims=2_000,
    graph_steps=5_000,
    cancelled=100_000,
    cancel_rounds=2,
    messages=5_000,
    batched_messages=100_000,
    ladder=5_000,
    goal_tasks=1_000,
    goals=50,
    imports=15,
    new_servers=3,
    connects=7,
)
QUICK = Load(
    rounds=3,
    commits=300,
    cycles=60,
    singles=100,
    lone_chains=30,
    chains=250,
    runs=2_500,
    map_rounds={1_000: 3, 10_000: 3},
    worker_runs=2_000,
    worker_chains=200,
    pickups=25,
    idle_seconds=0,
    starts=30,
    claims=0,
    graph_steps=1_000,
    cancelled=5_000,
    cancel_rounds=1,
    messages=1_000,
    batched_messages=20_000,
    ladder=5_000,
    goal_tasks=1_000,
    goals=10,
    imports=5,
    new_servers=1,
    connects=3,
)
