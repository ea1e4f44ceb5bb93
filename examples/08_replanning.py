"""
A plan that fails on the way, and the plan that comes instead.

It prints:

    ferry failed: cancelled; done: ['pack']
    {'cross': 'crossed by the bridge, with a bag'}
    ['pack', 'ferry', 'cross']
    ['pack', 'bridge', 'cross']
    packed 1 time
"""

from singularity_workflow import Engine
from singularity_workflow.orchestrator import (
    NeedsReplan,
    ReplanContext,
    WorkflowComposer,
)

packed: list[str] = []


class Journey:
    def decompose(self, goal: str) -> list[dict]:
        ferry = {"id": "ferry", "depends_on": ["pack"]}
        return [{"id": "pack"}, ferry, {"id": "cross", "depends_on": ["ferry", "pack"]}]

    def replan(self, ctx: ReplanContext) -> list[dict]:
        print(
            f"{ctx.failed.task} failed: {ctx.failed.message}; done: {[*ctx.completed]}"
        )
        # what has completed is kept: it can be referred to, and never runs again
        cross = {"id": "cross", "depends_on": ["bridge", "pack"]}
        return [{"id": "bridge", "depends_on": ["pack"]}, cross]


def pack() -> str:
    packed.append("a bag")
    return "a bag"


def ferry() -> None:
    raise NeedsReplan("cancelled")


def cross(input: dict) -> str:
    return f"crossed by {input['bridge']}, with {input['pack']}"


FUNCTIONS = {
    "pack": pack,
    "ferry": ferry,
    "bridge": lambda: "the bridge",
    "cross": cross,
}


def main() -> None:
    with Engine() as engine:
        composer = WorkflowComposer(engine)
        found = composer.compose_from_goal("reach the island", Journey(), FUNCTIONS)
        print(found.result)
        for graph in found.graphs:
            print([task.id for task in graph.tasks])
        print(f"packed {len(packed)} time")


if __name__ == "__main__":
    main()
