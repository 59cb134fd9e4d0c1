"""A run that is stopped in the middle, in every way there is, goes on where it was."""

import os
import re
import signal
import time

import psycopg
import pytest

from tests.acceptance.conftest import WORKSHOP
from tests.acceptance.test_runs import AGENTS, RUN_ID

CAMPAIGN = "id: long\nbrief: x\ndeliverables: [post.html]\n"


def wait_for_call(calls, agent):
    """Return when the agent's code is at work: a thread of its own may get there some time after ``started``."""
    deadline = time.monotonic() + 30
    while not calls.exists() or agent not in calls.read_text().split():
        assert time.monotonic() < deadline, f"{agent} is never called"
        time.sleep(0.01)


class Stage:
    """A run whose second agent waits for a gate to open."""

    def __init__(self, stored, text=CAMPAIGN, agents=AGENTS, slow="author"):
        self.command, self.slow = stored, slow
        self.gate, self.calls = stored.folder / "gate", stored.folder / "calls"
        self.environment = {"GATE": self.gate, "CALLS": self.calls}
        campaign = stored.write("c.yaml", text)
        self.running = stored.start(
            "run", campaign, "--agents", agents, "--output", "out", environment=self.environment
        )
        self.running.wait_for(f" {slow}: started")
        wait_for_call(self.calls, slow)

    def run_id(self) -> str:
        return str(re.findall(RUN_ID, self.running.err)[0])

    def open_gate(self) -> None:
        self.gate.touch()

    def resume(self, *arguments):
        return self.command("resume", self.run_id(), *arguments, **self.environment)

    def wait_for_checkpoint_of(self, agent: str) -> None:
        with psycopg.connect(self.command.environment["PLANNER_GRAPH_DSN"], autocommit=True) as connection:
            deadline = time.monotonic() + 30
            query = "SELECT 1 FROM checkpoint_blobs WHERE channel = %(name)s UNION SELECT 1 FROM checkpoint_writes"
            query += " JOIN checkpoints USING (thread_id, checkpoint_ns, checkpoint_id) WHERE channel = %(name)s"
            while connection.execute(query, {"name": agent}).fetchone() is None:
                assert time.monotonic() < deadline, f"the result of {agent} is never stored"
                time.sleep(0.01)


@pytest.fixture
def stage(stored):
    return Stage(stored)


def test_ctrl_c_pauses_the_run_and_resume_finishes_it_without_running_anything_twice(stage):
    stage.running.stop_at_once()
    paused = stage.running.end()
    assert paused.code == 4
    assert f"run {stage.run_id()} paused" in paused.out
    assert f"go on with it: planner-graph resume {stage.run_id()}\n" in paused.out
    assert "Traceback" not in paused.err
    assert re.search(r"^author +interrupted ", paused.out, re.MULTILINE)
    assert not (stage.command.folder / "out").exists()
    stage.open_gate()
    finished = stage.resume()
    assert finished.code == 0
    assert "2 agents, 1 already done" in finished.err
    assert stage.calls.read_text().split() == ["digger", "author", "author"]
    assert (stage.command.folder / "out" / "post.html").read_text() == "<p>x</p>"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_running_agents_end_and_starts_no_further_one(stage, number):
    stage.running.process.send_signal(number)
    stage.running.wait_for("pausing: running agents may finish")
    stage.open_gate()
    paused = stage.running.end()
    assert paused.code == 4
    assert f"planner-graph resume {stage.run_id()}" in paused.out
    assert re.search(r"^author +completed ", paused.out, re.MULTILINE)
    assert stage.resume().code == 0
    assert stage.calls.read_text().split() == ["digger", "author"]


def test_a_second_sigterm_stops_at_once(stage):
    stage.running.process.send_signal(signal.SIGTERM)
    stage.running.wait_for("once more to stop at once")
    stage.running.process.send_signal(signal.SIGTERM)
    paused = stage.running.end()
    assert paused.code == 4
    assert re.search(r"^author +interrupted ", paused.out, re.MULTILINE)


def test_a_paused_run_is_told_to_machines(stored):
    campaign = stored.write("c.yaml", CAMPAIGN)
    running = stored.start("run", campaign, "--agents", AGENTS, "--json", environment={"GATE": stored.folder / "gate"})
    running.wait_for(" author: started")
    running.stop_at_once()
    paused = running.end()
    assert paused.code == 4
    assert (paused.document["status"], paused.document["agents"]["author"]["status"]) == ("paused", "interrupted")


@pytest.mark.parametrize(
    ("deliverable", "agents", "slow"),
    [("summary", AGENTS, "summarist"), ("crooner", f"{WORKSHOP}:runnables", "crooner")],
    ids=["function", "runnable"],
)
def test_code_that_cannot_be_stopped_does_not_keep_ctrl_c_waiting(stored, deliverable, agents, slow):
    catalog = stored.write("k.yaml", "agents: {crooner: {inputs: [facts]}, digger: {outputs: [facts]}}")
    text = f"id: long\nbrief: x\ndeliverables: [{deliverable}]\n"
    campaign = stored.write("c.yaml", text)
    environment = {"GATE": stored.folder / "gate", "CALLS": stored.folder / "calls"}
    arguments = [campaign, "--no-builtin", "--catalog", catalog, "--agents", agents]
    running = stored.start("run", *arguments, environment=environment)
    running.wait_for(f" {slow}: started")
    wait_for_call(environment["CALLS"], slow)
    running.stop_at_once()
    paused = running.end()
    assert paused.code == 4
    (stored.folder / "gate").touch()
    [run_id] = set(re.findall(RUN_ID, paused.out))
    assert stored("resume", run_id, **environment).code == 0
    assert (stored.folder / "calls").read_text().split() == ["digger", slow, slow]


def test_after_kill_9_status_says_so_and_resume_finishes(stage):
    stage.wait_for_checkpoint_of("digger")
    stage.running.process.kill()
    stage.running.end()
    deadline = time.monotonic() + 30
    while not (left := stage.command("status", "--json").document)["left_behind"]:
        assert time.monotonic() < deadline, "nobody takes the process for dead"
    assert left["status"] == "running"
    assert (
        f"no process is executing it; go on with it: planner-graph resume {stage.run_id()}"
        in stage.command("status").out
    )
    stage.open_gate()
    assert stage.resume("--output", "elsewhere").code == 0
    assert stage.calls.read_text().split() == ["digger", "author", "author"]
    assert (stage.command.folder / "elsewhere" / "post.html").exists()
    assert not (stage.command.folder / "out").exists()


def test_a_run_has_one_executor_at_a_time(stage):
    status = stage.command("status", "--json").document
    assert (status["status"], status["left_behind"]) == ("running", False)
    second = stage.resume()
    assert (second.code, second.out) == (2, "")
    assert f"run '{stage.run_id()}' is executed by process" in second.err
    assert f"planner-graph resume --take-over {stage.run_id()}" in second.err
    stage.open_gate()
    assert stage.running.end().code == 0
    assert stage.calls.read_text().split() == ["digger", "author"]


def test_resume_takes_the_stored_plan_and_agents_from_any_folder(stage, tmp_path_factory):
    stage.running.stop_at_once()
    stage.running.end()
    stage.open_gate()
    stage.command.write("c.yaml", "type: something_else\n")
    there = stage.command.folder
    stage.command.folder = tmp_path_factory.mktemp("elsewhere")
    assert stage.resume().code == 0
    assert (there / "out" / "post.html").exists()


def test_a_run_whose_code_has_gone_is_resumed_with_other_code(stored):
    stored.write("mine.py", WORKSHOP.read_text())
    stage = Stage(stored, agents="mine.py:agents")
    stage.running.stop_at_once()
    stage.running.end()
    (stored.folder / "mine.py").unlink()
    stage.open_gate()
    refused = stage.resume()
    assert (refused.code, refused.out) == (2, "")
    assert "no such file" in refused.err
    assert stage.resume("--agents", AGENTS).code == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped"])
def test_a_run_goes_on_though_its_embedded_server_goes_away(command, embedded_home, number):
    """Seen to fail without the guard of the server: nobody started it again, and not even a pause could be stored."""
    command.environment["PLANNER_GRAPH_HOME"] = str(embedded_home)
    stage = Stage(command)
    os.kill(int((embedded_home / "data" / "postmaster.pid").read_text().split()[0]), number)
    stage.open_gate()
    ended = stage.running.end()
    status = command("status", stage.run_id(), "--json").document

    assert ended.code == 0, ended
    assert "Traceback" not in ended.err
    assert status["status"] == "completed"
    assert stage.calls.read_text().split() == ["digger", "author"]
    if "missing in the tables" not in ended.err:
        assert command("reconcile", stage.run_id()).out == f"run {stage.run_id()}: equal\n"
