"""Says how a run stands or ended: as tables for people, as one JSON document for machines."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from planner_graph.cli import screen
from planner_graph.cli.live import STYLES
from planner_graph.cli.progress import AgentState, Progress, timer
from planner_graph.mirror.progress import progress_report
from planner_graph.planning.explanation import duration_text
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow
from planner_graph.text import one_line, utf8
from planner_graph.types import AgentStatus, RunId, RunStatus

KIBIBYTE = 1024
MOST_WAITING = 20
"""More agents than these are not listed one by one before anything happened to them."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """All there is to say about a run at one moment.

    ``left_behind`` says that it is stored as running, but nobody executes it. ``files`` are the deliverables that were
    written, by name; ``picture`` is the plan's.
    """

    row: RunRow
    plan: ExecutionPlan
    progress: Progress
    figures: Mapping[str, Any]
    now: datetime
    left_behind: bool = False
    files: Mapping[str, Path] = field(default_factory=dict)
    picture: Path | None = None

    @property
    def deliverables(self) -> dict[str, Any]:
        """The deliverables of a run that has ended, by name."""
        return dict((self.row.result or {}).get("deliverables", {}))

    @property
    def missing(self) -> list[str]:
        """Deliverables that a run did not bring about."""
        return list((self.row.result or {}).get("missing", []))


async def read_account(repository: Repository, run_id: RunId, now: datetime) -> Account:
    """Read from the database how a run stands.

    Raises:
        RunNotFoundError: there is no such run.
    """
    row = await repository.get_run(run_id)
    left_behind = False
    if row.status is RunStatus.RUNNING:
        async with repository.exclusive(row.run_id) as granted:
            left_behind = granted
    plan, attempts = await repository.load_plan(row.run_id), await repository.agent_runs(row.run_id)
    return Account(
        row=row,
        plan=plan,
        progress=Progress(plan, attempts, as_stored=not left_behind),
        figures=progress_report(plan, row, attempts, now),
        now=now,
        left_behind=left_behind,
    )


def account_json(account: Account) -> dict[str, Any]:
    """Give an account as plain values; times are ISO 8601 in UTC."""
    row = account.row
    return {
        **account.figures,
        "reason": row.status_reason,
        "left_behind": account.left_behind,
        "campaign_id": account.plan.campaign_id,
        "plan_hash": row.plan_hash,
        "created_at": _iso(row.created_at),
        "started_at": _iso(row.started_at),
        "ended_at": _iso(row.ended_at),
        "agents": {agent.name: _agent_json(agent) for agent in account.progress.agents.values()},
        "deliverables": account.deliverables,
        "missing": account.missing,
        "files": {name: str(path) for name, path in account.files.items()},
    }


def account_text(account: Account) -> Iterator[RenderableType]:
    """Give an account as tables; what matters most comes last, where the eye is after a long list."""
    yield from agents_table(account.progress, account.now)
    yield from _deliverables(account)
    yield headline(account)
    advice = next_step(account)
    if advice:
        yield Text(advice, style="bold")


def headline(account: Account) -> Text:
    """Say in a few words how the run stands."""
    row, plan = account.row, account.plan
    campaign = (
        f"campaign {plan.campaign_id}, strategy {plan.strategy}, expected {duration_text(plan.duration.predicted)}"
    )
    text = Text(f"\n{one_line(campaign)}\n")
    text.append(f"run {row.run_id} ", "bold")
    text.append(row.status.value, f"bold {_STATUS_STYLES.get(row.status, '')}")
    if row.started_at:
        until = row.updated_at if row.status is RunStatus.PAUSED else row.ended_at or account.now
        text.append(f" after {timer((until - row.started_at).total_seconds())}")
    text.append(f", {account.progress.ended} of {len(account.progress.agents)} agents ended")
    if row.status_reason:
        text.append(f": {one_line(row.status_reason)}")
    return text


def agents_table(progress: Progress, now: datetime) -> Iterator[RenderableType]:
    """Show how each agent stands; of many that still wait, only the number."""
    agents = progress.agents.values()
    waiting = [agent for agent in agents if agent.status is AgentStatus.WAITING]
    folded = set(waiting) if len(waiting) > MOST_WAITING else set()
    table = screen.table(
        "agent", "status", "attempts", "time", "reason", numbers=("attempts", "time"), wide=("reason",)
    )
    for agent in agents:
        if agent in folded:
            continue
        status = Text(agent.status.value, style=STYLES.get(agent.status, "dim"))
        seconds = agent.seconds(now)
        time = None if seconds is None else timer(seconds)
        table.add_row(*screen.cells(agent.name, status, agent.attempt or None, time, agent.note))
    yield table
    if folded:
        yield Text(f"and {len(folded)} waiting", style="dim")


def next_step(account: Account) -> str:
    """Say what the user can do now; nothing if all is well."""
    run_id = account.row.run_id
    if account.left_behind:
        return f"no process is executing it; go on with it: planner-graph resume {run_id}"
    match account.row.status:
        case RunStatus.PAUSED | RunStatus.PENDING:
            return f"go on with it: planner-graph resume {run_id}"
        case RunStatus.FAILED | RunStatus.PARTIAL_SUCCESS:
            return "an ended run stays as it is: mend the cause of the failures above, then run the campaign again"
        case RunStatus.COMPLETED if account.deliverables and not account.files:
            return f"write the deliverables to files: planner-graph status {run_id} --output DIR"
        case _:
            return ""


def size_of(value: Any) -> str:
    """Say how large a deliverable is, and of what kind.

    >>> size_of("x" * 2048), size_of([1, 2])
    ('2.0 KiB of text', '6 bytes of JSON')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    count = len(utf8(text))
    size = f"{count} bytes" if count < KIBIBYTE else f"{count / KIBIBYTE:.1f} KiB"
    return f"{size} of {'text' if isinstance(value, str) else 'JSON'}"


_STATUS_STYLES: Mapping[str, str] = {
    RunStatus.COMPLETED: "green",
    RunStatus.PARTIAL_SUCCESS: "yellow",
    RunStatus.FAILED: "red",
    RunStatus.RUNNING: "cyan",
}


def _deliverables(account: Account) -> Iterator[RenderableType]:
    table = screen.table("deliverable", "", wide=("",))
    for name, value in account.deliverables.items():
        table.add_row(*screen.cells(name, account.files.get(name) or size_of(value)))
    for name in account.missing:
        table.add_row(*screen.cells(name, Text("missing", style="red")))
    if account.picture:
        table.add_row(*screen.cells("(the plan)", account.picture))
    if table.row_count:
        yield Text()
        yield table


def _agent_json(agent: AgentState) -> dict[str, Any]:
    return {
        "status": agent.status.value,
        "attempts": agent.attempt,
        "started_at": _iso(agent.started_at),
        "ended_at": _iso(agent.ended_at),
        "reason": agent.note or None,
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
