"""
The only code that talks to PostgreSQL.

Connections, the embedded server, migrations, pgmq, and one typed method for each SQL
function that the engine calls (`Store`). What happens next is decided by the
functions in `sql/`; what to do with it, by the layers above.
"""
