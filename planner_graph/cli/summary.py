"""Says how a run stands or ended, as tables for people."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from planner_graph.cli import screen
from planner_graph.cli.account import Account
from planner_graph.cli.figures import bytes_text, compact, dollars, share, timer
from planner_graph.cli.outlook import brief_reason, eta_text, overdue_text, path_text, silence_text
from planner_graph.cli.progress import Progress
from planner_graph.cli.styles import AGENT_STYLES, RUN_STYLES
from planner_graph.cli.usage import usage_text
from planner_graph.planning.explanation import duration_text
from planner_graph.redaction import SECRET
from planner_graph.store.rows import RunRow
from planner_graph.text import folded, one_line, utf8
from planner_graph.types import AgentStatus, RunStatus

MOST_WAITING = 20
"""Of more agents that wait than these, only the first are listed one by one."""


def account_text(account: Account) -> Iterator[RenderableType]:
    """Give an account as tables; what matters most comes last, where the eye is after a long list."""
    yield from agents_tables(account.progress, account.now)
    yield from _waiting(account)
    yield from _deliverables(account)
    yield headline(account)
    for line in _outlook(account):
        yield Text(line)
    for agent, late in account.figures["overdue"].items():
        yield Text(one_line(f"{agent}: {overdue_text(late)}"), style="bold yellow")
    silence = silence_text(account.silent_seconds or 0.0)
    if silence:
        yield Text(silence, style="bold yellow")
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
    text.append(row.status.value, f"bold {RUN_STYLES.get(row.status, '')}")
    if row.started_at:
        until = row.updated_at if row.status is RunStatus.PAUSED else row.ended_at or account.now
        text.append(f" after {timer(max((until - row.started_at).total_seconds(), 0.0))}")
    text.append(f", {account.progress.ended} of {len(account.progress.agents)} agents ended")
    counts = account.figures["counts"]
    set_apart = [f"{counts[name]} {name}" for name in ("skipped", "cancelled", "interrupted") if counts[name]]
    if set_apart:
        text.append(f" ({', '.join(set_apart)})")
    if row.started_at and not row.status.ended:
        text.append(f", {share(account.figures['weighted_progress'])} of the work")
    if row.status_reason:
        text.append(f": {folded(one_line(row.status_reason))}")
    return text


def _outlook(account: Account) -> Iterator[str]:
    """Say when it should end and what decides over that, and what models have cost so far."""
    path = account.figures["remaining_critical_path"]
    if account.figures["eta"] and path:
        yield eta_text(account.figures["eta"], account.now.astimezone())
        yield one_line(path_text(path))
    used = usage_text(account.figures["usage"])
    if used:
        yield used
    if account.row.checkpoints_removed_at:
        removed = f"{account.row.checkpoints_removed_at:%Y-%m-%d}"
        yield f"its checkpoints were removed on {removed}: deliverables are kept, other whole outputs are gone"


def agents_tables(progress: Progress, now: datetime) -> Iterator[RenderableType]:
    """Show each agent that has begun or ended, with a reason where it is not that of the whole run.

    Where models were used, tokens and cost take the place of the reasons, which then stand in a table of their own.
    """
    agents = [agent for agent in progress.agents.values() if agent.status is not AgentStatus.WAITING]
    notes = {agent.name: folded(agent.note) for agent in agents if agent.note != progress.run.status_reason}
    usages = [agent.usage for agent in agents if agent.usage]
    with_usage, with_cost = bool(usages), any(usage["cost_usd"] is not None for usage in usages)
    columns = (
        ("tokens", "cost") if with_cost else ("tokens",) if with_usage else ("reason",) if any(notes.values()) else ()
    )
    table = screen.table(
        "agent",
        "status",
        "attempts",
        "time",
        *columns,
        numbers=("attempts", "time", "tokens", "cost"),
        wide=("reason",),
    )
    for agent in agents:
        status = Text(agent.status.value, style=AGENT_STYLES.get(agent.status, "dim"))
        seconds = agent.seconds(now)
        time = None if seconds is None else timer(seconds)
        usage = agent.usage
        used = (usage and compact(usage["total_tokens"]), usage and dollars(usage["cost_usd"]))
        last = used if with_usage else (notes.get(agent.name),)
        table.add_row(*screen.cells(agent.name, status, agent.attempt or None, time, *last[: len(columns)]))
    if agents:
        yield table
    if with_usage and any(notes.values()):
        reasons = screen.table("agent", "reason", wide=("reason",))
        for name, note in notes.items():
            if note:
                reasons.add_row(*screen.cells(name, note))
        yield Text()
        yield reasons


def next_step(account: Account) -> str:
    """Say what the user can do now; nothing if all is well."""
    run_id = account.row.run_id
    answer = _answer(account)
    resume = f"{answer}; then {how_to_go_on(account.row)}" if answer else how_to_go_on(account.row)
    if account.left_behind:
        return f"no process is executing it; {resume}"
    match account.row.status:
        case RunStatus.PAUSED | RunStatus.PENDING:
            return resume
        case RunStatus.RUNNING:
            return answer
        case RunStatus.FAILED | RunStatus.PARTIAL_SUCCESS:
            return redo(account)
        case RunStatus.COMPLETED if account.deliverables and not account.files:
            return f"write the deliverables to files: planner-graph status {run_id} --output DIR"
        case _:
            return ""


def redo(account: Account) -> str:
    """Say how to redo the part of a run that failed, in a new run that keeps the rest."""
    finished, fix = "a finished run cannot be resumed", "fix the cause of the failures above"
    agent = _first_to_redo(account)
    if agent is None or not account.row.own_thread or account.row.checkpoints_removed_at:
        return f"{finished}; {fix}, then run the campaign again"
    return f"{finished}; {fix}, then redo that part: planner-graph rerun {account.row.run_id} --from {agent}"


def _first_to_redo(account: Account) -> str | None:
    """Return the first agent that failed and for which no fallback made up, else the first that was skipped in error.

    A rerun from one of them runs all others again, too.
    """
    agents, plan = account.progress.agents, account.plan
    lost = plan.unrepaired({name: agent.status for name, agent in agents.items()})
    skipped = [a.name for a in agents.values() if a.status is AgentStatus.SKIPPED and a.latest and a.latest.error]
    return next(iter([*lost, *skipped]), None)


def how_to_go_on(row: RunRow) -> str:
    """Say how to go on with a run, or that it is for whoever began it."""
    if row.own_thread:
        return f"go on with it: planner-graph resume {row.run_id}"
    return f"whoever began it goes on with it, on thread {one_line(row.thread_id)!r}"


def size_of(value: Any) -> str:
    """Say how large a deliverable is, and of what kind.

    >>> size_of("x" * 2048), size_of([1, 2])
    ('2.0 KiB of text', '6 bytes of JSON')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{bytes_text(len(utf8(text)))} of {'text' if isinstance(value, str) else 'JSON'}"


def _answer(account: Account) -> str:
    """Say how to answer the agents that ask, where an answer from here is heard."""
    if not account.asking or not account.row.own_thread:
        return ""
    names = one_line(" and ".join(account.asking))
    return f"answer {names}: planner-graph approve {account.row.run_id} {account.asking[0]}, or reject"


def _waiting(account: Account) -> Iterator[RenderableType]:
    """Show the agents that wait, and why; of many, the first."""
    waiting = [agent for agent in account.progress.agents.values() if agent.status is AgentStatus.WAITING]
    if not waiting:
        return
    going_on = account.silent_seconds is not None
    table = screen.table("waiting", "why", wide=("why",))
    for agent in waiting[:MOST_WAITING]:
        why = account.figures["blocked"].get(agent.name)
        text = agent.note if why is None else why["reason"] if going_on else brief_reason(why)
        table.add_row(*screen.cells(agent.name, text))
    if len(waiting) < len(account.progress.agents):
        yield Text()
    yield table
    if len(waiting) > MOST_WAITING:
        yield Text(f"and {len(waiting) - MOST_WAITING} more", style="dim")


def _deliverables(account: Account) -> Iterator[RenderableType]:
    table, hidden = screen.table("deliverable", "", wide=("",)), account.plan.hidden_deliverables
    best = {product.name: product.best_output for product in account.plan.products}
    for name, value in account.deliverables.items():
        output = account.outputs.get(name, name)
        stands_for = "" if output == best.get(name, output) else f" ({output})"
        what = SECRET if name in hidden else size_of(value)
        table.add_row(*screen.cells(f"{name}{stands_for}", account.files.get(name) or what))
    for name in account.missing:
        table.add_row(*screen.cells(name, Text("missing", style="red")))
    for name in account.excused:
        table.add_row(*screen.cells(name, Text("excused: an agent that it needs was rejected", style="yellow")))
    if account.picture:
        table.add_row(*screen.cells("(the plan)", account.picture))
    if table.row_count:
        yield Text()
        yield table
