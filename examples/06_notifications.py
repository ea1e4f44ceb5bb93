"""
Messages through PostgreSQL, and the events of a run.

It prints:

    orders got {'item': 'tea'} as message 1
    after that cursor: cake
    a channel said: good morning
    workflow_started
    task_completed with 'packed tea'
    workflow_completed
"""

from singularity_workflow import Engine, Workflow

packing = Workflow("packing")


@packing.step
def pack(input: dict[str, str]) -> str:
    return f"packed {input['item']}"


if __name__ == "__main__":
    with Engine() as engine:
        notes = engine.notifications

        # each listener gets each message, in this process or in another
        with notes.listen("orders") as orders:
            notes.send_with_notify("orders", {"item": "tea"})
            first = orders.get(timeout=10)
        print(f"orders got {first.payload} as message {first.id}")

        # who was away goes on where it has been
        notes.send_with_notify("orders", {"item": "cake"})
        with notes.listen("orders", after=first.cursor) as orders:
            message = next(one for one in orders if one.id != first.id)
            print(f"after that cursor: {message.payload['item']}")

        # nothing is stored of these
        with notes.listen("news") as news:
            notes.notify_only("news", "good morning")
            print(f"a channel said: {news.get(timeout=10).payload}")

        # the engine's own events: of one run, until it ends
        for event in engine.start(packing, {"item": "tea"}).events():
            if event.type == "task_completed":
                print(f"task_completed with {event.data['result']!r}")
            elif event.type.startswith("workflow_"):
                print(event.type)
