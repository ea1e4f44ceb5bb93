"""
A real PostgreSQL for people who run none.

There is one server per data folder. All processes that use the folder share it: the
first one starts it, the last one stops it. Each module has one role:

    server       acquire and release: who starts, who stops (read this one first)
    locks        kernel locks, which outlive nobody
    waiting      how long is too long
    binaries     where PostgreSQL is installed
    copies       … and a copy of it where the server's account may not look
    account      as whom the server works
    folders      where everything lies
    sockets      the one folder through which it is reached, and by whom
    cluster      the data: made once, whole or not at all
    settings     the server's configuration files
    postmaster   the server's processes: start, status, stop
    database     the connection string, and the database `singularity_workflow`

The server listens on a unix socket and on nothing else. Only its own account and root
can reach that socket, and PostgreSQL asks the kernel who they are. Migrations are not
made here.
"""

from __future__ import annotations

from singularity_workflow.store.embedded.server import EmbeddedServer, acquire_server

__all__ = ["EmbeddedServer", "acquire_server"]
