"""``watch`` beside a run that another process executes, and what ``status`` says meanwhile."""

import json
import os
import pty
import re
import threading

import pytest

from planner_graph.cli.account import LONGEST_SILENCE
from tests.acceptance.test_interruptions import Stage
from tests.acceptance.test_runs import AGENTS, HALF, HOPELESS, SOUND


@pytest.fixture
def stage(stored):
    return Stage(stored)


def wait_for_line(running, words):
    """Return when a line of standard output holds ``words``, with all lines until then."""
    lines = []
    for line in running.process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"the command ended without saying {words!r}: {lines}")


def without_times(lines):
    return [re.sub(r"\d+\.\d s", "T", line.partition(" ")[2].rstrip()) for line in lines]


def test_each_event_is_a_line_as_it_happens_and_at_the_end_comes_the_account(stage):
    watching = stage.command.start("watch")
    seen = wait_for_line(watching, " author: started")
    assert without_times(seen) == [
        f"run {stage.run_id()}: 2 agents, strategy adaptive, expected 3 s",
        "the run starts",
        "digger: started, estimate 1 s",
        "digger: completed after T (1 of 2)",
        "author: started, estimate 2 s",
    ]
    stage.open_gate()
    rest = wait_for_line(watching, "the run has ended")
    assert without_times(rest) == ["author: completed after T (2 of 2)", "the run has ended: completed"]
    ended = watching.end()
    assert ended.code == 0
    assert re.search(rf"^run {stage.run_id()} completed after ", ended.out, re.MULTILINE)
    assert re.search(r"^post.html +\d+ bytes of text$", ended.out, re.MULTILINE)


def test_ctrl_c_ends_the_watching_and_not_the_run(stage):
    watching = stage.command.start("watch", stage.run_id()[:8])
    wait_for_line(watching, " author: started")
    watching.press_ctrl_c()
    stopped = watching.end()
    assert stopped.code == 4
    assert stopped.err.endswith(
        f"stopped watching; the run is left alone. Watch it again: planner-graph watch {stage.run_id()}\n"
    )
    assert "Traceback" not in stopped.err
    assert stage.command("status", "--json").document["status"] == "running"
    stage.open_gate()
    assert stage.running.end().code == 0


def test_a_paused_run_is_watched_on_until_it_is_resumed_and_ends(stage):
    watching = stage.command.start("watch")
    wait_for_line(watching, " author: started")
    stage.running.press_ctrl_c()
    stage.running.end()
    wait_for_line(watching, "the run is paused: stopped from outside")
    watching.wait_for(f"go on with it: planner-graph resume {stage.run_id()}")
    stage.open_gate()
    assert stage.resume().code == 0
    lines = wait_for_line(watching, "the run has ended: completed")
    assert "the run goes on, 1 of 2 agents already done" in without_times(lines)
    assert watching.end().code == 0


def test_a_run_whose_process_was_killed_is_said_to_have_none(stage):
    watching = stage.command.start("watch")
    wait_for_line(watching, " author: started")
    stage.running.process.kill()
    stage.running.end()
    watching.wait_for(f"no process is executing it; go on with it: planner-graph resume {stage.run_id()}")
    stage.open_gate()
    assert stage.resume().code == 0
    assert watching.end().code == 0


@pytest.mark.parametrize(("text", "code"), [(SOUND, 0), (HALF, 3), (HOPELESS, 1)])
def test_a_run_that_has_ended_shows_how_with_its_exit_code(stored, text, code):
    run = stored("run", stored.write("c.yaml", text), "--agents", AGENTS, "--json").document
    watched = stored("watch", run["workflow_execution_id"])
    assert watched.code == code
    account = watched.out.partition("the run has ended")[2].partition("\n")[2]
    assert account == stored("status").out


def test_machines_get_each_event_as_a_line_of_json_and_go_on_where_they_were(stored):
    run = stored("run", stored.write("c.yaml", HOPELESS), "--agents", AGENTS, "--json").document
    watched = stored("watch", "--json")
    assert (watched.code, watched.err) == (1, "")
    events = [json.loads(line) for line in watched.out.splitlines()]
    assert {event["workflow_execution_id"] for event in events} == {run["workflow_execution_id"]}
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["event"] for event in events] == [
        "run_accepted", "run_started", "agent_started", "attempt_failed", "agent_started", "attempt_failed",
        "agent_ended", "agent_ended", "run_ended",
    ]  # fmt: skip
    assert events[3]["agent_name"] == "filmer"
    assert events[3]["data"]["error"] == {"type": "OSError", "message": "no camera\x1b[2J"}
    later = stored("watch", "--json", "--after", "7")
    assert later.out.splitlines() == watched.out.splitlines()[7:]


def test_lines_after_a_number_still_know_what_went_before(stored):
    stored("run", stored.write("c.yaml", HOPELESS), "--agents", AGENTS)
    [first, *_] = stored("watch", "--after", "7").out.splitlines()
    assert first.endswith("no camera\\x1b[2J (2 of 2)")


def test_where_there_is_nothing_to_watch_it_is_said(stored):
    for arguments, message in (([], "no run in the database"), (["0123456789"], "no run '0123456789'")):
        refused = stored("watch", *arguments)
        assert (refused.code, refused.out) == (2, "")
        assert message in refused.err


def test_on_a_terminal_there_is_a_board(stage):
    terminal = Terminal()
    watching = stage.command.start("watch", stdout=terminal.theirs, environment={"TERM": "xterm", "COLUMNS": "80"})
    terminal.wait_for("author")
    for words in (f"run {stage.run_id()[:8]}", "1 of 2", "Ctrl-C stops watching", "ends about", "decided by author"):
        terminal.wait_for(words)
    stage.open_gate()
    assert watching.end().code == 0
    terminal.wait_for("completed after ")


def test_status_says_when_a_run_will_end_and_what_decides(stage):
    shown = stage.command("status")
    assert shown.code == 0
    assert re.search(r"^ends about \S+ \(in .* s\); 9 times of 10 by \S+$", shown.out, re.MULTILINE)
    assert re.search(r"^decided by author$", shown.out, re.MULTILINE)
    assert re.search(r" running after .*, 1 of 2 agents ended, \d+ % of the work$", shown.out, re.MULTILINE)
    document = stage.command("status", "--json").document
    assert (document["remaining_critical_path"], document["left_behind"]) == (["author"], False)
    assert document["eta"]["p50"] <= document["eta"]["p90"]
    assert 0 <= document["silent_seconds"] < LONGEST_SILENCE


class Terminal:
    """A terminal that a command can write to, and what it has shown so far."""

    def __init__(self):
        self.ours, self.theirs = pty.openpty()
        self.shown = ""
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                data = os.read(self.ours, 4096)
            except OSError:
                return
            with self._more:
                self.shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data.decode(errors="replace"))
                self._more.notify()

    def wait_for(self, words):
        with self._more:
            assert self._more.wait_for(lambda: words in self.shown, timeout=30), self.shown
