"""
Goals: one that is decomposed, one with a goal in it, and three at once.

It prints:

    {'test': 'tested: code of a design for: Build authentication system'}
    ['build__bricks', 'build__mortar', 'paint']
    {'paint': ['bricks', 'mortar']}
    [{'greet': 'hello Ada'}, {'greet': 'hello Bo'}, {'greet': 'hello Cy'}]
"""

from singularity_workflow import Engine
from singularity_workflow.orchestrator import WorkflowComposer, flatten


def authentication(goal: str) -> list[dict]:
    implement = {"id": "implement", "depends_on": ["design"]}
    return [{"id": "design"}, implement, {"id": "test", "depends_on": ["implement"]}]


def house(goal: str) -> list[dict]:
    if goal == "walls":
        return [{"id": "bricks"}, {"id": "mortar"}]
    return [{"id": "build", "goal": "walls"}, {"id": "paint", "depends_on": "build"}]


AUTHENTICATION = {
    "design": lambda input: f"a design for: {input['goal']}",
    "implement": lambda design: f"code of {design}",
    "test": lambda implement: f"tested: {implement}",
}
HOUSE = {
    "bricks": lambda: "bricks",
    "mortar": lambda: "mortar",
    "paint": lambda build: [*build],
}


def main() -> None:
    with Engine() as engine:
        composer = WorkflowComposer(engine)
        goal = "Build authentication system"
        found = composer.compose_from_goal(goal, authentication, AUTHENTICATION)
        print(found.result)

        found = composer.compose_from_goal("house", house, HOUSE)
        print([task.id for task in flatten(found.tree)[0].tasks])
        print(found.result)

        greet = {"greet": lambda input: f"hello {input['goal']}"}
        names = ["Ada", "Bo", "Cy"]
        tasks = [{"id": "greet"}]
        many = composer.compose_multiple_workflows(names, lambda _: tasks, greet)
        print([one.result for one in many])


if __name__ == "__main__":
    main()
