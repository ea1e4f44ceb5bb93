"""
The pure part: workflows, steps, options, binding and JSON.

Nothing here does I/O, reads a clock, logs, or keeps state between calls.
"""
