"""
A plan in the words of a language model, which was recorded and is given again.

The file beside it has the model's answer, prose and fences and all. Whoever has a model
records it so: `RecordedDecomposer(file, CallableDecomposer(model), mode="record")`.

It prints:

    ['list_shops', 'visit', 'sum_up']
    {'sum_up': 'Ulm: 3 shops'}
    refused: unknown_handler at /tasks/1/id
"""

from pathlib import Path

from singularity_workflow import Engine
from singularity_workflow.orchestrator import (
    Catalog,
    RecordedDecomposer,
    WorkflowComposer,
    validate,
)

CASSETTE = Path(__file__).with_suffix(".json")
GOAL = "Visit three shops in Ulm and sum up"


def list_shops(city: str, limit: int) -> list[str]:
    return [f"{city} {number}" for number in range(limit)]


def visit(item: str) -> str:
    return item.split(maxsplit=1)[0]


def sum_up(visits: list[str]) -> str:
    return f"{visits[0]}: {len(visits)} shops"


def main() -> None:
    recorded = RecordedDecomposer(CASSETTE)
    functions = {"list_shops": list_shops, "visit": visit, "sum_up": sum_up}
    with Engine() as engine:
        composer = WorkflowComposer(engine)
        found = composer.compose_from_goal(GOAL, recorded, functions)
        print([task.id for task in found.graph.tasks])
        print(found.result)

    # the same plan is none for a goal that may do less
    allowed = Catalog(functions).only(["list_shops", "sum_up"])
    for issue in validate(found.graph, allowed):
        print(f"refused: {issue.code} at {issue.pointer}")


if __name__ == "__main__":
    main()
