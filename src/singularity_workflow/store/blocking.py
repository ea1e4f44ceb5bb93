"""
A connection for a thread of its own, opened on first need and again after a loss.

The heartbeat uses it: it must go on when the event loop is blocked.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg

from singularity_workflow.store.connections import connect_blocking, translated_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

__all__ = ["BlockingChannel"]


class BlockingChannel:
    """
    A connection that one thread calls.

    Args:
        dsn: Where to connect.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: psycopg.Connection[Any] | None = None

    def call(self, query: LiteralString, parameters: Mapping[str, Any]) -> Any:
        """
        Run one query and return the first column of its row.

        Raises:
            ConnectionFailed: The server cannot be reached; the next call tries again.
        """
        with translated_errors():
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = connect_blocking(self._dsn)
                row = self._connection.execute(query, parameters).fetchone()
            except psycopg.Error:
                self.close()
                raise
        return row[0] if row else None

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()
