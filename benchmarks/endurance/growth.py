"""
What a load leaves behind: the size of the tables, and the dead rows in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

__all__ = ["TABLES", "Growth", "read_growth"]

TABLES = ("runs", "step_states", "tasks", "q_swf_tasks")

_SIZES = """
select relname, pg_total_relation_size(relid), n_dead_tup
from pg_stat_user_tables
where schemaname in ('singularity_workflow', 'pgmq') and relname = any (%s)
"""


@dataclass(frozen=True, slots=True)
class Growth:
    """
    The tables at one moment.

    Args:
        tables: Bytes with indexes, and dead rows, by name.
    """

    tables: dict[str, tuple[int, int]]

    def of(self, table: str) -> tuple[int, int]:
        """Return the bytes and the dead rows of a table."""
        return self.tables.get(table, (0, 0))


async def read_growth(connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> Growth:
    """Look at the tables now."""
    cursor = await connection.execute(_SIZES, (list(TABLES),))
    rows = await cursor.fetchall()
    return Growth({name: (size, dead) for name, size, dead in rows})
