"""What a person sees in a terminal, narrow or wide, when a run is stopped in the middle."""

import re
import shutil

import pytest

from tests.acceptance.conftest import PROGRAM
from tests.acceptance.terminal import terminal
from tests.acceptance.test_interruptions import CAMPAIGN, wait_for_call
from tests.acceptance.test_runs import AGENTS

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux, which draws the terminal, is not installed")

SOON_SECONDS = 2.0
"""How long a person may wait for a sign that a stop was noticed; the process looks twice a second for stops."""


@pytest.fixture(params=[60, 100])
def window(request, stored):
    """A terminal in which a run waits for its second agent."""
    gate, calls = stored.folder / "gate", stored.folder / "calls"
    with terminal(request.param) as made:
        words = [PROGRAM, "run", stored.write("c.yaml", CAMPAIGN), "--agents", AGENTS]
        made.run(words, stored.environment | {"GATE": str(gate), "CALLS": str(calls)}, stored.folder)
        wait_for_call(calls, "author")
        made.wait_for("Ctrl-C pauses")
        yield made
        gate.touch()


def header(shown):
    [line] = [line for line in shown.splitlines() if line.startswith("run ")]  # one only: no frame is left behind
    return line


def test_ctrl_c_shows_at_once_in_the_live_view(window):
    window.press("C-c")
    shown = window.wait_for("once more to stop at once", "Ctrl-C stops at once", seconds=SOON_SECONDS)
    assert ", pausing," in header(shown)
    assert "pausing: running agents may finish, for 30 s at most" in shown
    assert re.search(r"^author +running", shown, re.MULTILINE)
    assert "Ctrl-C pauses" not in shown
    window.press("C-c")
    window.wait_for("planner-graph resume")


def test_a_pause_from_elsewhere_shows_at_once_in_the_live_view(window, stored):
    run_id = stored("runs", "--json").document["runs"][0]["workflow_execution_id"]
    assert stored("pause", run_id, "--reason", "lunch").code == 0
    shown = window.wait_for("Ctrl-C stops at once", "lunch", seconds=SOON_SECONDS)
    assert ", pausing," in header(shown)
    window.press("C-c")
    window.wait_for("planner-graph resume", seconds=5)


def test_a_cancel_from_elsewhere_shows_at_once_in_the_live_view(window, stored):
    run_id = stored("runs", "--json").document["runs"][0]["workflow_execution_id"]
    assert stored("cancel", run_id, "--reason", "wrong brief").code == 0
    shown = window.wait_for("cancelling: running agents may finish, for 5 s at most", seconds=SOON_SECONDS)
    assert ", cancelling," in header(shown)


@pytest.mark.parametrize("columns", [60, 100])
def test_the_list_of_runs_shows_the_status_in_a_narrow_terminal(stored, columns):
    campaign = stored.write(
        "c.yaml", "id: a-campaign-with-a-very-long-name-that-fills-the-line\ndeliverables: [post.html]\nbrief: x\n"
    )
    (stored.folder / "gate").touch()
    assert (
        stored("run", campaign, "--agents", AGENTS, GATE=stored.folder / "gate", CALLS=stored.folder / "calls").code
        == 0
    )
    with terminal(columns) as made:
        made.run([PROGRAM, "runs"], stored.environment, stored.folder)
        shown = made.wait_for("completed")
    assert re.search(r"^[0-9a-f]{8}\S* +completed", shown, re.MULTILINE)
