"""
What an application calls: start, execute, inspect and cancel runs.

`AsyncEngine` is written, `Engine` is a facade that runs it on a thread of its own.
"""
