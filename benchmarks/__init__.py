"""
Measurements of the engine, next to the floors of the same server in the same run.

`python -m benchmarks` prints one table; see `__main__` for its arguments. Each module
has one role:

    loads        how much work a row is made of
    servers      where it runs: a server, its template, a fresh database for each row
    apart        how it runs: in processes of its own, checked afterwards
    workloads    the workflows that are measured, and the check of their results
    floors       what PostgreSQL and pgmq cost without us
    latency, chains, runs, maps, startup    the rows of one process, or two
    crew         worker processes that do as they are told
    workers, pickup, idle, claimers         the rows of workers
    plan         which row is measured when, with what
    bars         what the figures are held against
    machine      on what they were taken
    rows, tables, report    how they are shown: text, Markdown, JSON
    serve        a server for programs that have none of their own
    endurance    what takes long: a long history, a long run, an old snapshot
    peers        the same kinds of work on other libraries

Nothing is imported here: the peers live in an environment without the library.
"""
