"""Whatever agents do, and however often it is told, the ledger stays true."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from planner_graph.compiler.events import moment
from planner_graph.mirror.ledger import Ledger, Standing
from planner_graph.types import AgentName, AgentStatus

AGENTS = [AgentName(name) for name in ("a", "b", "c")]
START = datetime(2030, 1, 1, tzinfo=UTC)
AT_THE_END = START + timedelta(days=1)


@dataclass
class Story:
    """One execution of an agent: what is told of it, in order, and how it ended, whether or not that is told.

    ``told`` are functions from the time to the event; ``began`` and ``ended`` are known once they were called.
    """

    agent: AgentName
    ending: str
    attempts: int
    told: list[Any] = field(default_factory=list)
    began: str | None = None
    ended: str | None = None

    def start(self, attempt, at):
        self.began = self.began or at
        return {"event": "agent_started", "agent": self.agent, "attempt": attempt, "at": at}

    def fail(self, attempt, at):
        return {
            "event": "attempt_failed",
            "agent": self.agent,
            "attempt": attempt,
            "at": at,
            "error": {"type": "E", "message": ""},
            "retry_in_seconds": 1.0 if attempt < self.attempts else None,
        }

    def ask(self, at):
        usage = {"total_tokens": 1}
        about = {"agent": self.agent, "attempt": self.attempts, "at": at}
        return {"event": "agent_interrupted", **about, "reason": "asks", "usage": usage}

    def end(self, at):
        self.ended = at
        return {"event": "agent_ended", "agent": self.agent, "at": at, "record": self.record(at)}

    def record(self, at):
        """The record that a checkpoint holds; ``at`` is when it ended, if that was not told."""
        return {
            "status": self.ending,
            "output": {},
            "error": None,
            "reason": None if self.ending == "completed" else "because",
            "attempts": self.attempts,
            "started_at": (self.began or at) if self.attempts else None,
            "ended_at": self.ended or at,
            "usage": None,
        }


@st.composite
def stories(draw, agent):
    """One execution of an agent; what is told of it may be cut off."""
    ending = draw(st.sampled_from(["completed", "failed", "skipped"]))
    story = Story(agent, ending, 0 if ending == "skipped" else draw(st.integers(1, 3)))
    for attempt in range(1, story.attempts + 1):
        story.told.append(partial(story.start, attempt))
        if attempt < story.attempts or ending == "failed":
            story.told.append(partial(story.fail, attempt))
    story.told.append(story.end)
    story.told = story.told[: draw(st.integers(1, len(story.told)))]
    if story.attempts and len(story.told) == 2 * story.attempts - 1 and draw(st.booleans()):
        story.told.append(story.ask)
    return story


@st.composite
def tales(draw):
    """What happens in a run that is cut off and resumed a few times: executions of agents, interleaved."""
    tick = 0
    events = []
    everything = []
    for _ in range(draw(st.integers(1, 3))):
        part = [draw(stories(agent)) for agent in draw(st.permutations(AGENTS)) if draw(st.booleans())]
        everything += part
        while rest := [story for story in part if story.told]:
            tick += 1
            events.append(draw(st.sampled_from(rest)).told.pop(0)(in_ticks(tick)))
    return events, everything


def histories():
    return tales().map(lambda tale: tale[0])


@st.composite
def checkpoints(draw):
    """A history, and the records that the checkpoint holds: of any executions, told or not."""
    events, everything = draw(tales())
    records = {}
    for agent in draw(st.permutations(AGENTS)):
        unseen = draw(stories(agent))
        of_agent = [None, unseen, *(story for story in everything if story.agent == agent)]
        if story := draw(st.sampled_from(of_agent)):
            records[agent] = story.record(in_ticks(len(events) + 1 + AGENTS.index(agent)))
    return events, records


def in_ticks(tick):
    return (START + timedelta(seconds=tick)).isoformat()


def standing(ledger):
    return Standing(
        running=list(ledger.running),
        completed=list(ledger.completed),
        failed=list(ledger.failed),
        waiting=list(ledger.waiting),
        skipped=list(ledger.skipped),
        step=ledger.step,
        sequence=ledger.sequence,
    )


def opened(before=None, rows=()):
    return Ledger(before or Standing(waiting=AGENTS), rows, dict(zip(AGENTS, (1, 2, 3), strict=True)))


def assert_lists_and_rows_agree(ledger, rows):
    for agent in AGENTS:
        statuses = [row.status for row in rows if row.agent_name == agent]
        assert sum(agent in names for names in standing_lists(ledger)) == 1
        assert statuses.count(AgentStatus.COMPLETED) == (agent in ledger.completed)
        assert statuses.count(AgentStatus.RUNNING) == (agent in ledger.running)
    for row in rows:
        assert (row.ended_at is None) == (row.status is AgentStatus.RUNNING)
        assert (row.attempt == 0) == (row.started_at is None)
        assert row.ended_at is None or row.started_at is None or row.ended_at >= row.started_at


@given(histories())
def test_lists_and_rows_agree(events):
    ledger = opened()
    ledger.take(events)
    assert_lists_and_rows_agree(ledger, list(ledger.changed.values()))


@given(histories())
def test_what_is_told_for_the_first_time_is_logged_once_and_in_order(events):
    ledger = opened()
    expected = []
    for event in events:
        skipped_before = event["agent"] in ledger.skipped
        ledger.take([event])
        if not (skipped_before and event["event"] == "agent_ended"):  # a skip said again is no news
            expected.append((event["event"], event["agent"], moment(event["at"])))
    assert [(entry["event"], entry["agent"], moment(entry["at"])) for entry in ledger.log] == expected


@given(histories(), st.data())
def test_a_batch_told_twice_is_as_told_once(events, data):
    """Whoever cannot know whether a batch was written may send it again, before anything later."""
    first = data.draw(st.integers(0, len(events)))
    ledger = opened()
    ledger.take(events[:first])
    middle = opened(standing(ledger), ledger.changed.values())
    middle.take(events[first:])
    rows = {key: row for part in (ledger, middle) for key, row in part.changed.items()}
    again = opened(standing(middle), rows.values())
    if has_one_execution_per_agent(events[first:]):
        again.take(events[first:])
        assert (again.changed, again.log, again.withdrawn) == ({}, [], {})
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


@given(checkpoints(), st.booleans())
def test_reconciled_with_a_checkpoint_it_says_what_the_checkpoint_says(history, resumed):
    events, records = history
    ledger = opened()
    ledger.take(events)
    rows = dict(ledger.changed)
    running = dict(ledger.running)
    ledger.saved()
    ledger.reconcile(records, AT_THE_END, resumed=resumed)
    rows |= ledger.changed

    for status, names in (("completed", ledger.completed), ("failed", ledger.failed), ("skipped", ledger.skipped)):
        assert sorted(names) == sorted(agent for agent in records if records[agent]["status"] == status)
    assert list(ledger.running) == [agent for agent in running if agent not in records and not resumed]
    assert_lists_and_rows_agree(ledger, list(rows.values()))
    for agent in ledger.completed:
        [row] = [row for (name, _), row in rows.items() if name == agent and row.status is AgentStatus.COMPLETED]
        assert row.ended_at == moment(records[agent]["ended_at"])
        assert agent in ledger.outputs or agent not in ledger.withdrawn

    again = opened(standing(ledger), rows.values())
    again.reconcile(records, AT_THE_END, resumed=resumed)
    assert (again.changed, again.log, again.outputs, again.withdrawn) == ({}, [], {}, {})
    assert standing(again) == standing(ledger)


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
    return ledger.running, ledger.completed, ledger.failed, ledger.waiting, ledger.skipped
