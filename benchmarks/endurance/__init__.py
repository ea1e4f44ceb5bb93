"""
Measurements that take long: what becomes of the figures after a while.

    history      many completed runs in the tables, against an empty database
    sustained    the same load for ten minutes
    snapshot     a transaction that is held open elsewhere, under load
    steady       the load of the last two: chains, by two worker processes
    growth       what it leaves behind in the tables
    outcome      what a part tells, and the table of its windows
"""
