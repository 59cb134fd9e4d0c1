"""``approve`` and ``reject``, while a run goes on, between two processes, and after one was killed."""

import re
import time

import pytest

from tests.acceptance.test_runs import RUN_ID

AGENTS = '''
import asyncio, os
from pathlib import Path
from langgraph.types import interrupt
from planner_graph import agent

def note(name):
    with Path(os.environ["CALLS"]).open("a") as calls:
        calls.write(name + "\\n")

@agent(outputs=["decision"])
async def reviewer(_):
    """Asks whether to publish."""
    note("reviewer")
    return interrupt("publish?")

@agent(outputs=["film"])
async def filmer(_):
    """Films when the gate is open."""
    note("filmer")
    while not Path(os.environ["GATE"]).exists():
        await asyncio.sleep(0.01)
    return "film"

@agent(inputs=["decision", "film"], outputs=["show"])
async def host(inputs):
    """Shows the film."""
    note("host")
    return [inputs["decision"], inputs["film"]]

agents = [reviewer, filmer, host]
'''


class Stage:
    """A run in which one agent asks while another one waits for a gate to open."""

    def __init__(self, stored):
        self.command = stored
        stored.write("bodies.py", AGENTS)
        stored.write("c.yaml", "id: show\ndeliverables: [show]\n")
        self.gate, self.calls = stored.folder / "gate", stored.folder / "calls"
        stored.environment |= {"GATE": str(self.gate), "CALLS": str(self.calls)}
        self.running = stored.start("run", "c.yaml", "--agents", "bodies.py:agents", "--output", "out")
        self.running.wait_for("reviewer: interrupted: it waits for an answer")
        self.run_id = str(re.findall(RUN_ID, self.running.err)[0])

    def answer(self, *arguments):
        """Answer as soon as the question is stored, which takes a moment."""
        deadline = time.monotonic() + 20
        while True:
            ended = self.command(*arguments)
            if "it asks nothing" not in ended.err:
                return ended
            assert time.monotonic() < deadline, ended.err

    def status(self):
        """Give the status once it tells of the question."""
        deadline = time.monotonic() + 20
        while "answer reviewer" not in (ended := self.command("status", self.run_id)).out:
            assert time.monotonic() < deadline, ended.out
        return ended

    def notes(self):
        return sorted(self.calls.read_text().split())

    def shown(self):
        return (self.command.folder / "out" / "show.json").read_text()


@pytest.fixture
def stage(stored):
    return Stage(stored)


def test_a_run_that_is_answered_while_it_goes_on_ends_in_the_same_process(stage):
    status = stage.status()
    given = stage.answer("approve", stage.run_id[:8], "reviewer", "--answer", '{"by": ["ann", 1]}', "--reason", "fine")
    again = stage.command("approve", stage.run_id, "reviewer", "--answer", '{"by": ["ann", 1]}', "--json")
    after = stage.command("status", stage.run_id, "--json")
    stage.gate.touch()
    ended = stage.running.end()

    assert f"answer reviewer: planner-graph approve {stage.run_id} reviewer, or reject\n" in status.out
    assert given.code == 0
    assert given.out.startswith(
        f'run {stage.run_id}: agent \'reviewer\' gets the answer {{"by": ["ann", 1]}}; process '
    )
    assert given.out.endswith(" goes on with it when the agents that run have ended\n")
    assert (again.document["changed"], again.document["reason"], again.document["taken_at"]) == (False, "fine", None)
    assert after.document["asking"] == []
    assert ended.code == 0
    watched = stage.command("watch", stage.run_id).out
    assert re.search(r" reviewer: \S+@\S+ answered \{\"by\": \[\"ann\", 1\]\}: fine\n", watched)
    assert '"ann"' in stage.shown()
    assert stage.notes() == ["filmer", "host", "reviewer", "reviewer"]


def test_a_paused_run_says_how_to_answer_and_goes_on_with_a_rejection(stage):
    stage.gate.touch()
    paused = stage.running.end()
    given = stage.command("reject", stage.run_id, "reviewer", "--reason", "too long")
    resumed = stage.command("resume", stage.run_id)

    assert paused.code == 4
    how = f"answer reviewer: planner-graph approve {stage.run_id} reviewer, or reject; then go on with it"
    assert f"{how}: planner-graph resume {stage.run_id}\n" in paused.out
    go_on = f"go on with it: planner-graph resume {stage.run_id}"
    assert given.out == f"run {stage.run_id}: agent 'reviewer' gets the answer false; {go_on}\n"
    assert resumed.code == 0
    assert stage.shown().split() == ["[", "false,", '"film"', "]"]


def test_an_answer_survives_the_death_of_the_process_it_was_meant_for(stage):
    given = stage.answer("approve", stage.run_id, "reviewer")
    stage.running.process.kill()
    stage.running.end()
    stage.gate.touch()
    resumed = stage.command("resume", stage.run_id)

    assert given.code == 0
    assert resumed.code == 0
    assert stage.shown().split() == ["[", "true,", '"film"', "]"]
    assert stage.notes() == ["filmer", "filmer", "host", "reviewer", "reviewer"]


def test_answers_that_do_not_fit_are_bad_input(stage):
    stage.gate.touch()
    stage.running.end()
    unknown = stage.command("approve", stage.run_id, "reviwer")
    idle = stage.command("reject", stage.run_id, "filmer")
    nobody = stage.command("approve", "ffffffff", "reviewer")
    stage.command("approve", stage.run_id, "reviewer")
    stage.command("resume", stage.run_id)
    late = stage.command("reject", stage.run_id, "reviewer")

    assert [ended.code for ended in (unknown, idle, nobody, late)] == [2, 2, 2, 2]
    assert "the run has no such agent\n    did you mean 'reviewer'?" in unknown.err
    assert "it asks nothing any more, it has ended as 'completed'\n    who asks: reviewer" in idle.err
    assert "has ended as 'completed' and stays so" in late.err


@pytest.mark.parametrize("text", ["yes", "{", "NaN", "[" * 5_000], ids=["word", "open", "nan", "deep"])
def test_an_answer_that_is_no_json_is_refused_before_the_database_is_asked(command, text):
    ended = command("approve", "4f1c", "reviewer", "--answer", text, "--dsn", "postgresql://nobody@127.0.0.1:1/x")
    assert ended.code == 2
    assert re.match(r"error: --answer: '.{1,60}' is no JSON: ", ended.err)
