"""
A goal that is watched: its plan, its tasks and its end, as they happen.

It prints:

    goal_started: Build authentication system
    goal_decomposition_completed: 3 tasks
    task_completed: design
    task_completed: implement
    task_completed: test
    goal_completed: Build authentication system
    {'test': {'passed': True}}
    ['goal_completed']
"""

from singularity_workflow import Engine
from singularity_workflow.orchestrator import Orchestrator, OrchestratorNotifications

SHOWN = ["goal_started", "goal_decomposition_completed", "task_completed"]
ENDS = ["goal_completed", "goal_failed"]


class GoalDecomposer:
    def decompose(self, goal: str) -> list[dict]:
        return [
            {"id": "design", "description": f"For: {goal}", "depends_on": []},
            {"id": "implement", "description": "Implement", "depends_on": ["design"]},
            {"id": "test", "description": "Test", "depends_on": ["implement"]},
        ]


FUNCTIONS = {
    "design": lambda input: {"flow": f"flow of {input['goal']}"},
    "implement": lambda input: {"code": f"code for {input['flow']}"},
    "test": lambda input: {"passed": "code" in input["implement"]},
}


def main() -> None:
    with Engine() as engine:
        notifications = OrchestratorNotifications(engine)
        handle = Orchestrator(engine).start_goal(
            "Build authentication system", GoalDecomposer(), FUNCTIONS, monitoring=True
        )
        for event in notifications.listen(handle, types=[*SHOWN, *ENDS]):
            if event.type == "task_completed" and event.step_name in FUNCTIONS:
                print(f"{event.type}: {event.step_name}")
            elif event.type == "goal_decomposition_completed":
                print(f"{event.type}: {event.data['stats']['tasks']} tasks")
            elif event.type in {"goal_started", "goal_completed"}:
                print(f"{event.type}: {event.data['goal']}")
        print(handle.result().result)

        found = notifications.get_recent_events(handle, types=ENDS)
        print([event.type for event in found])


if __name__ == "__main__":
    main()
