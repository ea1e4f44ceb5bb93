"""
A plan that fails on the way, and the plan that comes instead.

It prints:

    ferry failed: cancelled; done: ['pack']
    {'cross': 'crossed by the bridge, with a bag'}
    [['pack', 'ferry', 'cross'], ['pack', 'bridge', 'cross']]
"""

from singularity_workflow import Engine
from singularity_workflow.orchestrator import (
    NeedsReplan,
    ReplanContext,
    WorkflowComposer,
)


class Journey:
    def decompose(self, _goal: str) -> list[dict]:
        return [{"id": "pack"}, step("ferry", "pack"), step("cross", "ferry", "pack")]

    def replan(self, ctx: ReplanContext) -> list[dict]:
        failed = ctx.failed
        print(f"{failed.task} failed: {failed.message}; done: {[*ctx.completed]}")
        # what has completed is kept: it can be referred to, and never runs again
        return [step("bridge", "pack"), step("cross", "bridge", "pack")]


def step(name: str, *needs: str) -> dict:
    return {"id": name, "depends_on": [*needs]}


def ferry() -> None:
    raise NeedsReplan("cancelled")


def cross(input: dict) -> str:
    return f"crossed by {input['bridge']}, with {input['pack']}"


FUNCTIONS = {
    "pack": lambda: "a bag",
    "ferry": ferry,
    "bridge": lambda: "the bridge",
    "cross": cross,
}


def main() -> None:
    with Engine() as engine:
        composer = WorkflowComposer(engine)
        found = composer.compose_from_goal("reach the island", Journey(), FUNCTIONS)
        print(found.result)
        print([[task.id for task in graph.tasks] for graph in found.graphs])


if __name__ == "__main__":
    main()
