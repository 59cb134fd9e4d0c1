"""Whatever agents do, and however often it is told, the ledger stays true."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from planner_graph.store.ledger import Ledger, Standing
from planner_graph.types import AgentName, AgentStatus

AGENTS = [AgentName(name) for name in ("a", "b", "c")]
START = datetime(2030, 1, 1, tzinfo=UTC)


@st.composite
def histories(draw):
    """What happens in a run that is cut off and resumed a few times: executions of agents, interleaved."""
    tick = 0
    events = []
    for _ in range(draw(st.integers(1, 3))):
        stories = [story(draw, agent) for agent in draw(st.permutations(AGENTS)) if draw(st.booleans())]
        while any(stories):
            told = draw(st.sampled_from([position for position, rest in enumerate(stories) if rest]))
            tick += 1
            events.append(stories[told].pop(0)((START + timedelta(seconds=tick)).isoformat()))
    return events


def story(draw, agent):
    """One execution of an agent, perhaps cut off: functions from the time to the event."""
    ending = draw(st.sampled_from(["completed", "failed", "skipped"]))
    attempts = 0 if ending == "skipped" else draw(st.integers(1, 3))
    events = []
    for attempt in range(1, attempts + 1):
        events.append(partial(start, agent, attempt))
        if attempt < attempts or ending == "failed":
            events.append(partial(failure, agent, attempt, 1.0 if attempt < attempts else None))
    events.append(partial(end, agent, ending, attempts))
    return events[: draw(st.integers(1, len(events)))]


def start(agent, attempt, at):
    return {"event": "agent_started", "agent": agent, "attempt": attempt, "at": at}


def failure(agent, attempt, retry, at):
    error = {"type": "E", "message": ""}
    return {
        "event": "attempt_failed",
        "agent": agent,
        "attempt": attempt,
        "at": at,
        "error": error,
        "retry_in_seconds": retry,
    }


def end(agent, status, attempts, at):
    record = {
        "status": status,
        "output": {},
        "error": None,
        "reason": "because",
        "attempts": attempts,
        "started_at": at if attempts else None,
        "ended_at": at,
        "usage": None,
    }
    return {"event": "agent_ended", "agent": agent, "at": at, "record": record}


def standing(ledger):
    return Standing(
        running=list(ledger.running),
        completed=list(ledger.completed),
        failed=list(ledger.failed),
        waiting=list(ledger.waiting),
        step=ledger.step,
        total=len(AGENTS),
    )


def opened(before=None, rows=()):
    fresh = Standing(running=[], completed=[], failed=[], waiting=AGENTS, step=0, total=len(AGENTS))
    return Ledger(before or fresh, rows, dict(zip(AGENTS, (1, 2, 3), strict=True)))


@given(histories())
def test_lists_and_rows_agree(events):
    ledger = opened()
    ledger.take(events)
    rows = list(ledger.changed.values())
    for agent in AGENTS:
        statuses = [row.status for row in rows if row.agent_name == agent]
        assert sum(agent in names for names in standing_lists(ledger)) <= 1
        assert statuses.count(AgentStatus.COMPLETED) == (agent in ledger.completed)
        assert statuses.count(AgentStatus.RUNNING) == (agent in ledger.running)
    for row in rows:
        assert (row.ended_at is None) == (row.status is AgentStatus.RUNNING)
        assert (row.attempt == 0) == (row.started_at is None)
        assert row.ended_at is None or row.started_at is None or row.ended_at >= row.started_at


@given(histories(), st.data())
def test_a_batch_told_twice_is_as_told_once(events, data):
    """The outcome of a transaction may be unknown; its batch is then sent again, before anything later."""
    first = data.draw(st.integers(0, len(events)))
    ledger = opened()
    ledger.take(events[:first])
    middle = opened(standing(ledger), ledger.changed.values())
    middle.take(events[first:])
    rows = {key: row for part in (ledger, middle) for key, row in part.changed.items()}
    again = opened(standing(middle), rows.values())
    if has_one_execution_per_agent(events[first:]):
        again.take(events[first:])
        assert {key: row for key, row in again.changed.items() if rows[key] != row} == {}
        assert standing(again) == standing(middle)


@given(histories())
def test_where_batches_are_cut_makes_no_difference(events):
    whole = opened()
    whole.take(events)
    rows: dict[Any, Any] = {}
    state = None
    for event in events:
        parts = opened(state, rows.values())
        parts.take([event])
        rows |= parts.changed
        state = standing(parts)
    assert rows == whole.changed
    assert state is None or state == standing(whole)


def has_one_execution_per_agent(events):
    """Whether a batch has no end of an agent's execution and the next one's beginning: a resumed run begins a batch."""
    seen = set()
    for event in events:
        never_started = event["event"] == "agent_ended" and event["record"]["attempts"] == 0
        begins = never_started or (event["event"] == "agent_started" and event["attempt"] == 1)
        if begins and event["agent"] in seen:
            return False
        seen.add(event["agent"])
    return True


def standing_lists(ledger):
    return ledger.running, ledger.completed, ledger.failed, ledger.waiting
