"""
The same kinds of work on other libraries (DBOS, PgQueuer), next to our own figures.

Run with `python -m benchmarks.peers` in an environment that has `requirements.txt`
installed. Nothing here imports our library; its rows are measured by a program of the
project's own environment.
"""
