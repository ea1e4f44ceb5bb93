"""
Events in the database: what tasks tell, and pages for those who listen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singularity_workflow.store import sql_files
from singularity_workflow.store.connections import JsonText
from singularity_workflow.store.pages import MessagePage, parse_page
from singularity_workflow.store.replies import TaskRef

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from singularity_workflow.model.positions import Position
    from singularity_workflow.store.pools import Pool

__all__ = ["EventStore"]

_PAGE = 500


class EventStore:
    """
    The queue of events.

    Args:
        pool: For every call.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(
        self,
        start: Position,
        *,
        limit: int = _PAGE,
        positions: Sequence[int] | None = None,
        bare: bool = False,
        runs: Sequence[UUID | str] | None = None,
    ) -> MessagePage:
        """
        Return a page of rows, each of which holds the events of one run and call.

        Args:
            start: Where it begins.
            limit: How many of those that are complete; what is not comes at once.
            positions: Those of just these places.
            bare: Whether to leave out the events.
            runs: Those of just these runs.
        """
        return parse_page(
            await self._pool.call(
                sql_files.query("events/read_events"),
                {
                    "pos": start.pos,
                    "id": start.id,
                    "limit": limit,
                    "positions": None if positions is None else list(positions),
                    "bare": bare,
                    "runs": None if runs is None else [str(run) for run in runs],
                },
            )
        )

    async def read_run(self, run_id: UUID) -> dict[str, Any]:
        """
        Return whether a run stores events, and whether it has ended.

        Raises:
            RunNotFound: If there is no such run.
        """
        data: dict[str, Any] = await self._pool.call(
            sql_files.query("events/run_event_state"), {"run_id": run_id}
        )
        return data

    async def emit(self, batch: bytes) -> tuple[list[TaskRef], Sequence[int]]:
        """
        Store what running tasks tell; see `emit_events.sql`.

        Returns:
            The attempts that were refused, and the positions of the events.
        """
        data: dict[str, Any] = await self._pool.call(
            sql_files.query("events/emit_events"), {"batch": JsonText(batch)}
        )
        refused = [TaskRef._make(row) for row in data["refused"] or ()]
        return refused, [data["events"]] if data["events"] is not None else ()
