"""
A condition, a child workflow, and undoing what was done when an order fails.

It prints:

    {'ship': 'shipped to Ada'}
    ship failed with RuntimeError
    refund 30, put back 3, compensation completed
"""

import time

from singularity_workflow import Engine, RunFailed, Workflow

undone: list[str] = []
payment = Workflow("payment")
orders = Workflow("orders", max_attempts=1)


@payment.step
def charge(input: dict[str, int]) -> int:
    return input["amount"]


@orders.step(compensate=lambda output: undone.append(f"put back {output}"))
def reserve(input: dict[str, object]) -> object:
    return input["quantity"]


@orders.child(payment, compensate=lambda pay: undone.append(f"refund {pay['charge']}"))
def pay(reserve: int) -> dict[str, int]:
    return {"amount": reserve * 10}


@orders.step(when="$.pay.charge > 100")
def approve(pay: dict[str, int]) -> str:
    return "approved by a person"


@orders.step(depends_on=[approve])
def ship(input: dict[str, object], pay: dict[str, int]) -> str:
    if input["to"] == "Bo":
        raise RuntimeError("no truck today")
    return f"shipped to {input['to']}"


if __name__ == "__main__":
    with Engine() as engine:
        print(engine.execute(orders, {"to": "Ada", "quantity": 2}))
        handle = engine.start(orders, {"to": "Bo", "quantity": 3})
        try:
            handle.result()
        except RunFailed as error:
            print(f"{error.step} failed with {error.error_type}")
        while not (found := engine.list_workflow_runs(origin=handle.id).items):
            time.sleep(0.01)  # it starts within milliseconds
        engine.get_handle(found[0].id).result()
        print(f"{', '.join(undone)}, compensation completed")
