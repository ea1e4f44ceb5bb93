"""The same kinds of work on other libraries (DBOS, PgQueuer), to set beside our own figures.

Run with ``python -m benchmarks.peers --dsn DSN`` in an environment that has
``requirements.txt`` installed.  Nothing here imports ``singularity_workflow``.
"""
