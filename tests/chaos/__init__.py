"""
The chaos run: workers, server and network fail at random, and nothing may be lost.

`python -m tests.chaos --seconds 120 --seed 7`; `make chaos` runs it too.
"""
