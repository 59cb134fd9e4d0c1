"""The list of runs, page by page: which runs are wanted, how each of them stands, and where the next page begins."""

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from planner_graph.errors import BadCursorError
from planner_graph.store.leases import SILENCE_SECONDS
from planner_graph.store.rows import in_utc
from planner_graph.types import RunId, RunStatus, Strategy

LONGEST_CURSOR = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """A place in the list, which is sorted by these two, latest first: right after this run."""

    created_at: datetime
    run_id: RunId

    def text(self) -> str:
        """Write it as clients get it: they should not rely on what is in it."""
        content = json.dumps([self.created_at.isoformat(), self.run_id]).encode()
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what :meth:`text` wrote.

        Raises:
            BadCursorError: nothing wrote it.
        """
        try:
            if len(text) > LONGEST_CURSOR:
                raise BadCursorError(text)
            created_at, run_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return cls(
                created_at=datetime.fromisoformat(created_at).astimezone(UTC), run_id=RunId(str(uuid.UUID(run_id)))
            )
        except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise BadCursorError(text) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which runs are wanted; what is ``None`` or empty does not matter."""

    statuses: tuple[RunStatus, ...] = ()
    campaign: str | None = None
    strategy: Strategy | None = None
    created_after: datetime | None = None

    def values(self, limit: int, after: Cursor | None) -> dict[str, Any]:
        """Give what ``find_runs`` takes."""
        return {
            "statuses": [status.value for status in self.statuses] or None,
            "campaign": self.campaign,
            "strategy": self.strategy.value if self.strategy else None,
            "created_after": self.created_after,
            "before_time": after.created_at if after else None,
            "before_id": after.run_id if after else None,
            "limit": limit,
            "silence": SILENCE_SECONDS,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A run as the list shows it.

    ``counts`` is the number of agents by where they stand. ``left_behind`` says that it is stored as running, but that
    no living process executes it. ``result``, which may be large, is only there if it was asked for.
    """

    run_id: RunId
    campaign_key: str
    campaign_name: str
    status: RunStatus
    status_reason: str | None
    strategy: Strategy
    total_agents: int
    counts: Mapping[str, int]
    started_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    estimated_completion_time: datetime | None
    left_behind: bool
    last_sequence: int
    plan_hash: str
    plan_revision: int
    usage: dict[str, Any] | None
    result: dict[str, Any] | None
    checkpoints_removed_at: datetime | None

    @property
    def progress_percentage(self) -> int:
        """The share of agents that completed, as in a report of its progress."""
        return percentage(self.counts["completed"], self.total_agents, self.status)

    @property
    def place(self) -> Cursor:
        """Where it stands in the list."""
        return Cursor(created_at=self.created_at, run_id=self.run_id)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the queries ``find_runs`` and ``list_these_runs``."""
        return cls(
            run_id=RunId(str(row["workflow_execution_id"])),
            campaign_key=row["campaign_key"],
            campaign_name=row["campaign_name"],
            status=RunStatus(row["status"]),
            status_reason=row["status_reason"],
            strategy=Strategy(row["execution_strategy"]),
            total_agents=row["total_agents"],
            counts=counts_of(row),
            started_at=in_utc(row["started_at"]),
            ended_at=in_utc(row["ended_at"]),
            created_at=row["created_at"].astimezone(UTC),
            estimated_completion_time=in_utc(row["estimated_completion_time"]),
            left_behind=row["left_behind"],
            last_sequence=row["last_sequence"],
            plan_hash=row["plan_hash"],
            plan_revision=row["plan_revision"],
            usage=row["usage"],
            result=row["result"],
            checkpoints_removed_at=in_utc(row["checkpoints_removed_at"]),
        )


def counts_of(row: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of agents in each list; those in none were cancelled with their run, or lost with its end."""
    counts = {name: int(row[name]) for name in ("running", "completed", "failed", "skipped", "waiting")}
    left = row["total_agents"] - sum(counts.values()) if RunStatus(row["status"]).ended else 0
    cancelled = row["status"] == RunStatus.CANCELLED
    return {**counts, "cancelled": left if cancelled else 0, "interrupted": 0 if cancelled else left}


def percentage(completed: int, total: int, status: RunStatus) -> int:
    """Return the share of agents that completed, in whole percent; in a run that failed or was cancelled never all.

    >>> percentage(3, 7, RunStatus.RUNNING), percentage(2, 2, RunStatus.CANCELLED), percentage(0, 0, RunStatus.PENDING)
    (42, 99, 0)
    """
    share = 100 * completed // total if total else 0
    return min(share, 99) if status in {RunStatus.FAILED, RunStatus.CANCELLED} else share
