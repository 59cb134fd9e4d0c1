"""Compares what the tables say about a run with its checkpoint; pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from planner_graph.mirror.checkpoint import CheckpointState
from planner_graph.mirror.ledger import Attempt, Ledger
from planner_graph.mirror.previews import shown_output
from planner_graph.redaction import redacted_json, without_secrets
from planner_graph.store.plain import as_read, exact_number, plain_json, preview
from planner_graph.store.rows import AgentRunRow
from planner_graph.types import AgentName, AgentStatus, RunStatus

SHOWN_CHARACTERS = 100
"""How much of a value that differs is shown."""

STANDINGS = ("running", "completed", "failed", "waiting", "skipped")

Rows = Mapping[tuple[AgentName, Attempt], AgentRunRow]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing in which the tables differ from the checkpoint.

    ``field`` is ``standing``, ``output``, a column of an attempt such as ``attempt 1: usage``, or of the run, then
    without an ``agent``. ``table`` is what the tables said, ``checkpoint`` what they must say, ``None`` for nothing;
    both are plain JSON, and of large values the beginning. It is not ``repairable`` where nobody can know who is right.
    """

    agent: AgentName | None
    field: str
    table: Any
    checkpoint: Any
    repairable: bool = True

    def __str__(self) -> str:
        who = "the run" if self.agent is None else f"agent {self.agent!r}"
        said, true = _in_words(self.table), _in_words(self.checkpoint)
        return f"{who}, {self.field}: the tables said {said}, the checkpoint says {true}"

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What the tables say about a run, but for its attempts; ``standings`` has each agent that is in a list."""

    status: RunStatus
    result: Any
    usage: Mapping[str, Any] | None
    standings: Mapping[AgentName, str]
    of_plan: Mapping[str, Sequence[AgentName]] = field(default_factory=dict)
    outputs: Mapping[AgentName, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Make it of a row of the query ``get_said``."""
        return cls(
            status=RunStatus(row["status"]),
            result=_exact(row["result"]),
            usage=row["usage"],
            standings={agent: standing for standing in STANDINGS for agent in row[standing]},
            of_plan={"completed": row["completed_of_plan"], "failed": row["failed_of_plan"]},
            outputs=_exact(row["outputs"]),
        )


def standing_differences(said: Said, ledger: Ledger, agents: Sequence[AgentName]) -> Iterator[Difference]:
    """Give the agents that are in another list than ``ledger`` has them, and lists and sums that contradict others."""
    true = standings(ledger)
    for agent in agents:
        if said.standings.get(agent) != true.get(agent):
            yield Difference(agent=agent, field="standing", table=said.standings.get(agent), checkpoint=true.get(agent))
    for column, listed in said.of_plan.items():
        contradicted = [agent for agent, standing in said.standings.items() if standing == column]
        if sorted(listed) != sorted(contradicted):
            names = sorted(agent for agent, standing in true.items() if standing == column)
            yield Difference(agent=None, field=f"{column}_agents", table=sorted(listed), checkpoint=names)
    if said.usage != ledger.usage:
        yield Difference(agent=None, field="usage", table=said.usage, checkpoint=ledger.usage)


def attempt_differences(said: Said, before: Rows, ledger: Ledger) -> Iterator[Difference]:
    """Give the attempts that differ although their agents are in the right lists."""
    true = standings(ledger)
    for (agent, attempt), row in ledger.changed.items():
        if said.standings.get(agent) != true.get(agent):
            continue
        known = before.get((agent, attempt))
        for column in fields(row):
            was, is_now = getattr(known, column.name, None), getattr(row, column.name)
            if was != is_now and column.name not in {"agent_name", "execution", "attempt"}:
                which = f"attempt {attempt[1]}" + (f" of execution {attempt[0]}" if attempt[0] > 1 else "")
                yield Difference(
                    agent=agent, field=f"{which}: {column.name}", table=short(was), checkpoint=short(is_now)
                )


def output_differences(said: Said, state: CheckpointState) -> Iterator[Difference]:
    """Give the agents whose output the live table shows wrongly."""
    records, secrets = state.records, state.plan.secrets
    for agent, record in records.items():
        if record["status"] != AgentStatus.COMPLETED:
            continue
        shown = said.outputs.get(agent)
        output = without_secrets(record["output"], secrets)
        if not _shows(shown, output, agent, state.thread_id):
            table = short(without_secrets(shown, secrets))
            yield Difference(agent=agent, field="output", table=table, checkpoint=short(output))
    for agent, shown in said.outputs.items():
        if agent not in records or records[agent]["status"] != AgentStatus.COMPLETED:
            yield Difference(agent=agent, field="output", table=short(shown), checkpoint=None)


def standings(ledger: Ledger) -> dict[AgentName, str]:
    """Give the list that each agent is in."""
    return {agent: standing for standing in STANDINGS for agent in getattr(ledger, standing)}


def _shows(shown: Any, output: Any, agent: AgentName, thread_id: str) -> bool:
    """Tell whether ``shown`` is an output, or the beginning of it, however long, with a reference to the whole."""
    if shown == (plain := plain_json(output)) or shown == as_read(plain):
        return True
    if shown == (safe := redacted_json(plain)) or shown == as_read(safe):
        return True
    if not isinstance(shown, dict) or shown.get("truncated") is not True or not isinstance(shown.get("preview"), str):
        return False
    limit = shown.get("cut_at", len(shown["preview"]))
    return isinstance(limit, int) and bool(shown == shown_output(output, agent, limit, thread_id))


def short(value: Any) -> Any:
    """Give a value as plain JSON, only the beginning of a large one."""
    return preview(value, SHOWN_CHARACTERS)


def _in_words(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, dict) and value.get("truncated") is True:
        return f"{value.get('preview')}..."
    if isinstance(value, list):
        return ", ".join(repr(item) for item in value) or "nobody"
    return json.dumps(value, ensure_ascii=False)


def _exact(text: str | None) -> Any:
    return None if text is None else json.loads(text, parse_int=exact_number)
