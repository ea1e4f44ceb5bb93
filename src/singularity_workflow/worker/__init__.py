"""
What runs step bodies: one role per module, put together in `worker`.

The database decides what happens next; nothing here does. An engine that runs local
runs is a worker too, on a queue of its own: there is no second mechanism.
"""
