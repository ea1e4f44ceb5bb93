"""
Steps that depend on one another: an order is priced, packed and billed.

A parameter named like a step is that step's output, and makes it run first. `price`
and `pack` need nothing of each other, so they run at the same time.

It prints:

    {'bill': {'to': 'Ada', 'boxes': 3, 'total': 28.5}}
    4.0
    completed 3 of 3 steps
"""

from dataclasses import dataclass

from singularity_workflow import Engine, Workflow


@dataclass
class Order:
    customer: str
    quantity: int
    unit_price: float


shop = Workflow("shop", input=Order)


@shop.step
def price(input: Order) -> float:
    return input.quantity * input.unit_price


@shop.step
async def pack(input: Order) -> list[str]:
    return [f"box {number + 1}" for number in range(input.quantity)]


@shop.step
def bill(run_input: Order, price: float, pack: list[str]) -> dict[str, object]:
    return {"to": run_input.customer, "boxes": len(pack), "total": price}


if __name__ == "__main__":
    with Engine() as engine:
        result = engine.execute(shop, Order("Ada", quantity=3, unit_price=9.5))
        print(result)

        handle = engine.start(shop, {"customer": "Bo", "quantity": 1, "unit_price": 4})
        print(handle.result()["bill"]["total"])

        status, figures = handle.status()
        print(status, figures["completed_steps"], "of", figures["total_steps"], "steps")
