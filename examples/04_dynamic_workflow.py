"""
A workflow that is data: as a language model might write it, checked, mended and run.

It prints:

    /steps/1/over: step 'price' depends on 'fecth', which does not exist
        Did you mean 'fetch'?
    {'total': 15}
    {'report': '15 in all'}
"""

from singularity_workflow import Engine, Flow

ANSWER = """{
  "name": "offer",
  "options": {"max_attempts": 5},
  "steps": [
    {"name": "fetch"},
    {"name": "price", "kind": "map", "over": "fecth", "options": {"timeout": 30}},
    {"name": "total", "depends_on": ["price"]}
  ]
}"""


def fetch(input: dict[str, str]) -> list[str]:
    return input["items"].split()


def price(item: str) -> int:
    return len(item)


def total(price: list[int]) -> int:
    return sum(price)


def main() -> None:
    items = {"items": "a workflow of four"}
    flow = Flow.from_json(ANSWER)
    for problem in flow.validate():  # what to tell the model, all of it at once
        print(f"{problem.pointer}: {problem.message}")
        print(f"    {problem.hint}")

    with Engine() as engine:
        engine.flow_builder.save(Flow.from_json(ANSWER.replace("fecth", "fetch")))
        functions = {"fetch": fetch, "price": price, "total": total}
        print(engine.execute_dynamic("offer", items, functions))

        # another step makes another version; runs of the first one keep theirs
        engine.flow_builder.add_step("offer", "report", depends_on=["total"])
        functions["report"] = lambda total: f"{total} in all"
        print(engine.execute_dynamic("offer", items, functions))


if __name__ == "__main__":
    main()
