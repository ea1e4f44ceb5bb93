"""
Hints between processes: work is queued, runs have ended.

A notification is a hint, never a dependency: whoever misses one finds out by polling.
"""
