"""What a command does around a run: however the run stops, the user learns how to go on."""

import asyncio
import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from planner_graph.cli import interruptible, running
from planner_graph.cli.live import LinesView
from planner_graph.cli.running import STOPPED, Session, behind, conclude, conduct
from planner_graph.clock import SystemClock
from planner_graph.errors import DatabaseUnavailableError, RunNotResumableError
from planner_graph.mirror.handler import MirrorReport
from planner_graph.runtime.brake import Grace, Stop, StopKind
from planner_graph.types import RunId
from tests.plans import make_plan
from tests.unit.test_cli_progress import started
from tests.unit.test_cli_summary import account

RUN = RunId("3f2a8c1e-0000-4000-8000-000000000000")


def failing(error: BaseException, *, stored: bool = True):
    async def work(session: Session) -> None:
        session.run_id = RUN if stored else None
        raise error

    return work


@pytest.mark.parametrize("error", [DatabaseUnavailableError("x", "gone", "wait"), RuntimeError("a bug")])
def test_an_error_in_the_middle_of_a_run_says_how_to_go_on(error):
    with pytest.raises(type(error)) as caught:
        conduct(failing(error), as_json=False)
    assert caught.value.__notes__ == [f"go on with the run: planner-graph resume {RUN}"]


@pytest.mark.parametrize(
    ("error", "stored"), [(RunNotResumableError(RUN, "it has ended"), True), (RuntimeError("a bug"), False)]
)
def test_where_there_is_nothing_to_go_on_with_nothing_is_promised(error, stored):
    with pytest.raises(type(error)) as caught:
        conduct(failing(error, stored=stored), as_json=False)
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize(
    ("stored", "message"),
    [(True, f"stopped; go on with it: planner-graph resume {RUN}\n"), (False, "stopped; nothing was run\n")],
)
def test_a_run_that_is_stopped_before_it_can_say_more_ends_with_4(capsys, stored, message):
    with pytest.raises(typer.Exit) as ended:
        conduct(failing(asyncio.CancelledError(), stored=stored), as_json=False)
    assert ended.value.exit_code == 4
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_work_put_things_in_order(number):
    done = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append("in order")

    with pytest.raises(interruptible.Interrupted) as stopped:
        interruptible.run(work())
    assert (done, stopped.value.busy) == (["in order"], False)


def test_threads_that_are_still_at_work_are_not_waited_for():
    started, release = threading.Event(), threading.Event()

    def hold_out() -> None:
        started.set()
        release.wait()

    async def work() -> None:
        holding = asyncio.get_running_loop().run_in_executor(None, hold_out)
        await asyncio.to_thread(started.wait)
        os.kill(os.getpid(), signal.SIGINT)
        await holding

    with pytest.raises(interruptible.Interrupted) as stopped:
        interruptible.run(work())
    assert stopped.value.busy
    release.set()


def test_the_result_of_the_work_is_given_back():
    async def work() -> str:
        return await asyncio.to_thread(lambda: "done")

    assert interruptible.run(work()) == "done"


@pytest.mark.parametrize(
    ("missing", "problem", "message"),
    [
        (1, None, "1 of 9 entries is missing in the tables; "),
        (2, "gone\nfor good", "2 of 9 entries are missing in the tables (gone for good); "),
    ],
)
def test_tables_that_do_not_tell_all_are_told_of_with_the_remedy(capsys, missing, problem, message):
    session = Session(view=LinesView(SystemClock()), account=account(make_plan({"a": []}), status="completed"))
    assert conclude(session, as_json=False) == 0
    assert capsys.readouterr().err == ""
    session.mirror = MirrorReport(run_id=RUN, told=9, missing=missing, problem=problem)
    assert conclude(session, as_json=False) == 0
    told = capsys.readouterr().err
    assert told == f"{behind(session.mirror)}\n"
    assert told.startswith(message)
    assert told.endswith(f" Mend it: planner-graph reconcile {RUN}\n")


def test_of_tables_that_tell_all_nothing_is_said(capsys):
    session = Session(view=LinesView(SystemClock()), account=account(make_plan({"a": []}), status="completed"))
    session.mirror = MirrorReport(run_id=RUN, told=9, missing=0, problem=None)
    conclude(session, as_json=False)
    assert capsys.readouterr().err == ""


class Stoppable:
    """An orchestrator of one run, which stops as soon as that is asked for."""

    grace = Grace()

    def __init__(self, session: Session) -> None:
        self.session = session

    def pause_all(self, reason: str) -> int:
        self.session.on_stop(Stop(kind=StopKind.PAUSE, reason=reason))
        return 1


def test_a_signal_is_known_by_itself_and_not_by_the_words_of_a_reason(capsys):
    session = Session(view=LinesView(SystemClock()))
    session.orchestrator = Stoppable(session)  # type: ignore[assignment]
    session.on_stop(Stop(kind=StopKind.PAUSE, reason=STOPPED))  # another process asks, with the same words
    assert f"reason: {STOPPED}" in capsys.readouterr().err
    session.stopping = False
    assert session.pause()
    assert "once more to stop at once" in capsys.readouterr().err


class OneRun:
    """A repository of one run that has ended, and an orchestrator whose mirror did not catch up."""

    def __init__(self):
        self.taken = account(make_plan({"a": []}), status="completed")
        self.repository = self.database = self

    async def get_run(self, _):
        return self.taken.row

    async def load_plan(self, _):
        return self.taken.plan

    async def agent_runs(self, _):
        return []

    async def account(self, database, run_id, now):  # noqa: ARG002
        return self.taken

    async def execute(self, run_id, *, take_over, on_event, on_stop):  # noqa: ARG002
        on_event(started("a", 0))
        mirror = MirrorReport(run_id=run_id, told=3, missing=1, problem=None)
        return SimpleNamespace(mirror=mirror)


def test_what_came_of_the_tables_is_told_at_the_end_of_a_run(capsys, monkeypatch):
    orchestrator: Any = OneRun()
    monkeypatch.setattr(running, "read_account", orchestrator.account)

    async def work(session: Session) -> None:
        await session.execute(orchestrator, RUN, None)

    with pytest.raises(typer.Exit) as over:
        conduct(work, as_json=False)
    told = capsys.readouterr()
    assert over.value.exit_code == 0
    assert "run run completed" in told.out
    assert told.err.splitlines()[-1].startswith("1 of 3 entries is missing in the tables; ")
