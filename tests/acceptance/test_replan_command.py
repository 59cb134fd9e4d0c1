"""A run whose plan would be another one today is refused with what changed, or goes on under the new plan."""

import os
import re
import signal

import psycopg
import pytest

from tests.acceptance.test_interruptions import Stage, wait_for_call

DIGGING = """
from planner_graph import agent


@agent(outputs=["facts"], estimate_seconds=1)
async def {digger}(_):
    note("{digger}")
    return {{"facts": 2}}
"""
WRITING = """

@agent(inputs=["facts"], outputs=["{post}"], estimate_seconds={seconds}{more})
async def author(inputs):
    note("author")
    while gate_is_shut():
        await asyncio.sleep(0.01)
    return f"<p>{{inputs['facts']}}</p>"
"""
PROOFREADING = """

@agent(inputs=["post.html"], outputs=["proofs"], estimate_seconds=1)
async def reader(_):
    note("reader")
    while not Path(os.environ["GATE"]).with_name("gate2").exists():
        await asyncio.sleep(0.01)
    return "no faults"
"""
HEAD = """
import asyncio, os
from pathlib import Path


def note(name):
    with Path(os.environ["CALLS"]).open("a") as calls:
        calls.write(f"{name}\\n")


def gate_is_shut():
    return not Path(os.environ["GATE"]).exists()
"""


def module(*, digger="digger", seconds=2, more="", reader=False):
    names = f"agents = [{digger}, author{', reader' if reader else ''}]\n"
    text = HEAD + DIGGING.format(digger=digger) + WRITING.format(post="post.html", seconds=seconds, more=more)
    return text + (PROOFREADING if reader else "") + names


class Newsroom(Stage):
    """A run of agents in a file, paused while the second one is at work; the file may be changed then."""

    def __init__(self, stored):
        stored.write("news.py", module())
        super().__init__(stored, "id: long\nbrief: x\ndeliverables: [post.html]\n", agents="news.py:agents")
        self.running.press_ctrl_c()
        self.running.wait_for("once more to stop at once")
        self.running.press_ctrl_c()
        assert self.running.end().code == 4
        self.calls.unlink()
        self.open_gate()

    def change(self, **how):
        self.command.write("news.py", module(**how))

    def called(self):
        return self.calls.read_text().split() if self.calls.exists() else []


@pytest.fixture
def newsroom(stored):
    return Newsroom(stored)


def test_a_changed_plan_is_refused_with_what_changed_and_what_to_do(newsroom):
    newsroom.change(more=', configuration={"tone": "dry"}')
    refused = newsroom.resume("--campaign", "c.yaml")
    assert refused.code == 2
    assert "agent 'author': configuration: 'tone' is added, \"dry\"" in refused.err
    assert f"planner-graph resume {newsroom.run_id()} --replan" in refused.err
    assert newsroom.called() == []


def test_a_renamed_agent_is_refused_with_its_perhaps_new_name(newsroom):
    newsroom.change(digger="miner")
    unbound = newsroom.resume()
    assert unbound.code == 2
    assert "no code for 1 agent of the plan: 'digger'" in unbound.err
    assert f"planner-graph resume {newsroom.run_id()} --replan" in unbound.err
    refused = newsroom.resume("--campaign", "c.yaml")
    assert refused.code == 2
    assert "agent 'digger' is removed; perhaps renamed to 'miner'" in refused.err
    replanned = newsroom.resume("--replan")
    assert replanned.code == 0
    assert newsroom.called() == ["miner", "author"]


def test_estimates_alone_do_not_keep_a_run_from_going_on(newsroom):
    newsroom.change(seconds=99)
    assert newsroom.resume("--campaign", "c.yaml").code == 0
    assert newsroom.called() == ["author"]


def test_another_brief_is_refused(newsroom):
    newsroom.command.write("c.yaml", "id: long\nbrief: y\ndeliverables: [post.html]\n")
    refused = newsroom.resume("--campaign", "c.yaml")
    assert refused.code == 2
    assert 'campaign: brief: "x" -> "y"' in refused.err


def test_a_catalog_that_has_nothing_to_do_with_the_plan_does_not_keep_a_run_from_going_on(newsroom):
    catalog = newsroom.command.write("k.yaml", "agents: {late: {outputs: [post.pdf]}}")
    assert newsroom.resume("--catalog", catalog).code == 0


def test_another_strategy_is_refused(newsroom):
    refused = newsroom.resume("--strategy", "sequential")
    assert refused.code == 2
    assert 'strategy: "adaptive" -> "sequential"' in refused.err


def test_without_a_change_replan_only_goes_on(newsroom):
    ended = newsroom.resume("--replan")
    assert ended.code == 0
    assert "the plan is what it was; nothing is changed" in ended.err
    assert newsroom.called() == ["author"]


def test_replan_keeps_what_is_finished_and_survives_kill_9(newsroom):
    newsroom.change(reader=True)
    newsroom.command.write("c.yaml", "id: long\nbrief: x\ndeliverables: [post.html, proofs]\n")
    run = newsroom.run_id()
    going_on = newsroom.command.start(
        "resume", run, "--campaign", "c.yaml", "--replan", environment=newsroom.environment
    )
    going_on.wait_for(" reader: started")
    wait_for_call(newsroom.calls, "reader")
    newsroom.wait_for_checkpoint_of("author")
    os.kill(going_on.process.pid, signal.SIGKILL)
    killed = going_on.end()
    assert "agent 'reader' is added, which depends on 'author'" in killed.err
    assert "1 finished agent is kept" in killed.err

    (newsroom.command.folder / "gate2").touch()
    finished = newsroom.resume()

    assert finished.code == 0
    assert newsroom.called() == ["author", "reader", "reader"]
    assert newsroom.command("reconcile", run).code == 0
    watched = newsroom.command("watch", run)
    assert re.search(r"gave the run another plan, revision 2: campaign: deliverables: 'proofs' is added", watched.out)
    status = newsroom.command("status", run, "--json").document
    assert (status["progress_percentage"], sorted(status["agents"])) == (100, ["author", "digger", "reader"])
    with psycopg.connect(newsroom.command.environment["PLANNER_GRAPH_DSN"]) as conn:
        query = "SELECT count(*) FROM agent_runs WHERE agent_name = 'digger' AND status = 'completed'"
        assert conn.execute(query).fetchone() == (1,)


def test_a_removed_agent_is_still_in_the_log_that_watch_shows(newsroom):
    newsroom.command.write("news.py", module().replace('inputs=["facts"], ', "").replace("{inputs['facts']}", "x"))
    ended = newsroom.resume("--replan")
    assert ended.code == 0
    assert "agent 'digger' is removed" in ended.err
    watched = newsroom.command("watch", newsroom.run_id())
    assert watched.code == 0
    assert "digger: agent ended" in watched.out
