"""How a run stands, for people and for machines."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from planner_graph.cli.account import LONGEST_SILENCE, Account, account_json, who_asks
from planner_graph.cli.progress import Progress
from planner_graph.cli.summary import MOST_WAITING, account_text, next_step
from planner_graph.compiler.events import ASKS
from planner_graph.mirror.progress import progress_report
from planner_graph.store.answers import GivenAnswer
from planner_graph.store.rows import Vitals
from planner_graph.types import AgentName, RunStatus
from tests.catalogs import spec
from tests.fakes import planned
from tests.plans import make_plan
from tests.unit.test_cli_progress import START, at, attempt
from tests.unit.test_progress_report import run_row

USED = {"input_tokens": 1200, "output_tokens": 345, "total_tokens": 1545, "calls": 1, "cost_usd": 0.021, "models": {}}


def account(plan, *attempts, status="running", now=30, silent_seconds=None, **fields) -> Account:
    """Take account of a run that began at noon, so many seconds later."""
    times = {"updated_at": at(now), "started_at": None if status == "pending" else START}
    row = run_row(plan, status, **times, **fields)
    if silent_seconds is None and status == "running":
        silent_seconds = 0.5
    return Account(
        row=replace(row, ended_at=at(now)) if row.status.ended else row,
        plan=plan,
        progress=Progress(plan, row, attempts),
        figures=progress_report(plan, row, attempts, at(now)),
        now=at(now),
        silent_seconds=silent_seconds,
    )


def text(taken: Account, width=80) -> list[str]:
    """Give the lines of an account on a terminal."""
    written = io.StringIO()
    screen = Console(file=written, width=width, color_system=None, force_terminal=False, _environ={})
    screen.print(*account_text(taken), sep="\n")
    lines = written.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    return [line.rstrip() for line in lines]


def chain(**settings):
    return make_plan({"writer": [], "editor": ["writer"], "seo": ["editor"]}, strategy="adaptive", **settings)


def test_a_run_that_goes_on_says_when_it_will_end_what_decides_and_who_waits_for_whom():
    lines = text(account(chain(), attempt("writer", "completed"), attempt("editor", "running")))
    assert [line.split()[:2] for line in lines[:3]] == [
        ["agent", "status"],
        ["writer", "completed"],
        ["editor", "running"],
    ]
    assert lines[4:6] == ["waiting  why", "seo      waits for 'editor' (hard), which is running for 29 s"]
    assert lines[8] == "run run running after 30.0 s, 1 of 3 agents ended, 49 % of the work"
    assert lines[9].startswith("ends about ")
    assert lines[10] == "decided by editor -> seo"
    assert len(lines) == 11


def test_nothing_that_is_empty_is_shown():
    lines = text(account(chain(), status="pending"))
    assert lines[0] == "waiting  why"
    assert not any(
        word in line for line in lines for word in ("agent ", "tokens", "deliverable", "used", "sign of life")
    )


def test_a_run_that_has_ended_has_neither_an_end_to_come_nor_anyone_who_waits():
    lines = text(account(make_plan({"a": []}), attempt("a", "completed"), status="completed"))
    assert lines[-1] == "run run completed after 30.0 s, 1 of 1 agents ended"
    assert not any("ends about" in line or "decided by" in line or "waiting" in line for line in lines)


def test_a_run_whose_agents_have_all_ended_says_no_more_of_its_end():
    lines = text(account(make_plan({"a": []}), attempt("a", "completed")))
    assert lines[0].split() == ["agent", "status", "attempts", "time"]
    assert lines[-1] == "run run running after 30.0 s, 1 of 1 agents ended, 100 % of the work"


def test_a_paused_run_says_how_much_is_left_and_does_not_repeat_why():
    stopped = replace(attempt("writer", "interrupted"), reason="Ctrl-C")
    lines = text(account(chain(), stopped, status="paused", status_reason="Ctrl-C"))
    assert sum("Ctrl-C" in line for line in lines) == 1
    assert "editor   waits for writer" in lines
    assert any(line.startswith("takes about 3 min ") for line in lines)
    assert lines[-1] == "go on with it: planner-graph resume run"


def test_what_models_cost_is_told_for_each_agent_and_in_total():
    failure = replace(attempt("editor", "failed"), reason="a long reason " * 8, usage={**USED, "cost_usd": 0.01})
    rows = [replace(attempt("writer", "completed"), usage=USED), failure]
    lines = text(account(chain(), *rows, failed_agents=(AgentName("editor"),)))
    assert [line.split() for line in lines[:3]] == [
        ["agent", "status", "attempts", "time", "tokens", "cost"],
        ["writer", "completed", "1", "1.0", "s", "1.5k", "$0.021"],
        ["editor", "failed", "1", "1.0", "s", "1.5k", "$0.010"],
    ]
    assert lines[4] == "agent   reason"
    assert lines[5].startswith("editor  a long reason")
    assert lines[-1] == "used 3.1k tokens (2.4k in, 690 out) in 2 model calls, $0.031"


def test_a_cost_that_nobody_knows_has_no_column():
    rows = [replace(attempt("writer", "completed"), usage={**USED, "cost_usd": None})]
    lines = text(account(chain(), *rows))
    assert lines[0].split() == ["agent", "status", "attempts", "time", "tokens"]
    assert lines[-1].endswith("in 1 model call, cost not known")


def test_the_skipped_are_counted():
    failure = replace(attempt("writer", "failed"), reason="broken")
    skips = [
        replace(attempt(agent, "skipped", 0), started_at=None, reason="hard dependency 'writer' failed")
        for agent in ("editor", "seo")
    ]
    taken = account(chain(), failure, *skips, status="failed", failed_agents=(AgentName("writer"),))
    assert "3 of 3 agents ended (2 skipped)" in "".join(text(taken))


@pytest.mark.parametrize(("seconds", "told"), [(LONGEST_SILENCE - 1, False), (125, True)])
def test_a_run_that_shows_no_life_is_told_of(seconds, told):
    lines = text(account(chain(), attempt("writer", "running"), silent_seconds=seconds))
    silence = "no sign of life for 2 min 5 s; it may hang, or cannot reach the database"
    assert (silence in lines) == told


def test_of_many_who_wait_only_the_first_are_listed():
    lines = text(account(make_plan({f"agent_{number}": [] for number in range(MOST_WAITING + 5)}), status="pending"))
    assert sum(line.startswith("agent_") for line in lines) == MOST_WAITING
    assert "and 5 more" in lines


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_large_run_can_be_read_on_any_terminal(width):
    names = [f"agent_with_a_rather_long_name_{number:03}" for number in range(30)]
    plan = make_plan({name: names[max(0, place - 4) : place] for place, name in enumerate(names)}, strategy="adaptive")
    rows = [replace(attempt(name, "completed"), usage=USED) for name in names[:5]]
    lines = text(account(plan, *rows, attempt(names[5], "running")), width)
    assert any(line.startswith("decided by ") for line in lines)
    assert "agent_with_a_rather_long_name_005" in "".join(lines)


def test_machines_get_all_of_it():
    taken = account(chain(), replace(attempt("writer", "completed"), usage=USED), attempt("editor", "running"))
    document = json.loads(json.dumps(account_json(taken)))
    assert document["eta"]["p50_seconds"] > 0
    assert document["remaining_critical_path"] == ["editor", "seo"]
    assert document["blocked"]["seo"]["waits_for"] == ["editor"]
    assert 0 < document["weighted_progress"] < 1
    assert document["usage"]["total_tokens"] == 1545
    assert document["agents"]["writer"]["usage"] == USED
    assert document["agents"]["editor"]["usage"] is None
    assert document["silent_seconds"] == 0.5


def test_a_run_on_a_thread_of_somebody_elses_is_theirs_to_go_on_with():
    asks = replace(attempt("writer", "interrupted"), reason=ASKS)
    taken = account(chain(), asks, status="paused", thread_id="theirs")
    taken = replace(taken, asking=(AgentName("writer"),))
    assert text(taken)[-1] == "whoever began it goes on with it, on thread 'theirs'"


@pytest.mark.parametrize("holder", [None, "a process"])
def test_a_run_is_left_behind_if_it_should_go_on_and_nobody_holds_it(holder):
    vitals = Vitals(status=RunStatus.RUNNING, holder=holder, silent_seconds=1000.0)
    assert vitals.left_behind == (holder is None)
    assert not replace(vitals, status=RunStatus.PAUSED).left_behind


@pytest.mark.parametrize("status", ["running", "paused"])
def test_who_asks_is_named_with_how_to_answer(status):
    asks = replace(attempt("writer", "interrupted"), reason=ASKS)
    taken = replace(account(chain(), asks, status=status), asking=(AgentName("writer"),))
    answer = f"answer writer: planner-graph approve {taken.row.run_id} writer, or reject"
    then = f"; then go on with it: planner-graph resume {taken.row.run_id}" if status == "paused" else ""
    assert text(taken, width=300)[-1] == f"{answer}{then}"
    assert account_json(taken)["asking"] == ["writer"]


def test_who_was_answered_or_asks_no_more_is_not_waited_for():
    said = GivenAnswer(
        interrupt_id="1", agent=AgentName("a"), value=True, by="ann", reason=None, answered_at=START, taken_at=None
    )
    plan = make_plan({"a": [], "b": [], "c": []})
    rows = [replace(attempt(name, "interrupted"), reason=ASKS) for name in "ab"] + [
        replace(attempt("c", "interrupted"), reason="killed")
    ]
    progress = Progress(plan, run_row(plan, "paused"), rows)
    assert who_asks(progress, []) == ("a", "b")
    assert who_asks(progress, [said]) == ("b",)
    assert who_asks(progress, [replace(said, taken_at=START)]) == ("a", "b")
    assert who_asks(Progress(plan, run_row(plan, "cancelled"), rows), []) == ()


def test_a_run_whose_checkpoints_are_gone_says_since_when():
    taken = account(chain(), attempt("writer", "completed"), status="completed")
    removed = replace(taken, row=replace(taken.row, checkpoints_removed_at=START))
    line = f"its checkpoints were removed on {START:%Y-%m-%d}: deliverables are kept, other whole outputs are gone"
    assert line in text(removed, width=120)
    assert account_json(removed)["checkpoints_removed_at"] == START.isoformat()
    assert account_json(taken)["checkpoints_removed_at"] is None


def test_after_a_failure_the_command_that_redoes_that_part_is_named():
    plan = make_plan({"writer": [], "other": [], "editor": ["other"]}, strategy="adaptive")
    failure = replace(attempt("other", "failed"), reason="broken")
    fields = {"failed_agents": (AgentName("other"),), "thread_id": "run:1"}
    taken = account(plan, attempt("writer", "completed"), failure, status="partial_success", **fields)
    advice = next_step(taken)
    assert advice.endswith("then redo that part: planner-graph rerun run --from other")
    elsewhere = account(plan, failure, status="failed", **{**fields, "thread_id": "another"})
    removed = account(plan, failure, status="failed", **fields, checkpoints_removed_at=START)
    for one in (elsewhere, removed):
        assert next_step(one).endswith("then run the campaign again")


def test_a_failure_for_which_a_fallback_made_up_is_not_what_is_redone():
    first = spec("a", gives=["x"], fallback="spare")
    plan = planned(first, spec("spare", gives=["x"]), spec("b"), select={"all": ["a", "b"]})
    rows = [
        replace(attempt("a", "failed"), reason="broken"),
        attempt("spare", "completed"),
        replace(attempt("b", "failed"), reason="broken"),
    ]
    taken = account(plan, *rows, status="failed", failed_agents=(AgentName("a"), AgentName("b")))
    assert next_step(taken).endswith("--from b")


def test_a_cancelled_run_lists_who_was_cancelled():
    rows = [attempt("writer", "completed"), attempt("editor", "cancelled")]
    lines = text(account(chain(), *rows, status="cancelled"))
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["writer", "completed"],
        ["editor", "cancelled"],
        ["seo", "cancelled"],
    ]
    assert any("3 of 3 agents ended (2 cancelled)" in line for line in lines)


def test_an_overdue_agent_is_marked_with_what_happens_next():
    plan = planned(spec("writer", estimate_seconds=60, timeout_seconds=1800, max_retries=3), strategy="adaptive")
    lines = text(account(plan, attempt("writer", "running"), now=1000), width=120)
    late = "writer: overdue: at work for 16 min 39 s, expected at most 1 min 54 s"
    assert f"{late}; stops at 30 min, then attempt 2 of 4" in lines
