"""Stops of a run: gently first, then hard, and the one that says most wins."""

import asyncio

import pytest

from planner_graph.errors import LeaseLostError
from planner_graph.runtime.brake import Brake, Grace, StopKind
from planner_graph.types import RunStatus
from tests.fakes import HastyLoop


def in_hasty_loop(test):
    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        return runner.run(test())


async def stopped_after(brake):
    """Give after how many seconds a task that would never end was cancelled."""
    loop = asyncio.get_running_loop()
    began, task = loop.time(), asyncio.create_task(asyncio.sleep(10_000))
    brake.watch(task)
    await asyncio.wait({task})
    assert task.cancelled()
    return loop.time() - began


def listening(status=RunStatus.RUNNING, past=RunStatus.PENDING):
    brake = Brake(Grace(pause=30, cancel=5))
    brake.listen(status, None, past=past)
    return brake


@pytest.mark.parametrize(
    ("status", "kind", "grace"),
    [
        (RunStatus.PAUSING, StopKind.PAUSE, 30),
        (RunStatus.PAUSED, StopKind.PAUSE, 30),
        (RunStatus.CANCELLING, StopKind.CANCEL, 5),
        (RunStatus.CANCELLED, StopKind.CANCEL, 5),
        (None, StopKind.LOST, 0),
    ],
)
def test_what_others_want_drains_the_run_and_stops_it_when_its_grace_is_over(status, kind, grace):
    async def test():
        brake = listening()
        brake.hear(status, "why")
        assert brake.stop is not None
        assert (brake.stop.kind, brake.control.drain_requested) == (kind, True)
        assert await stopped_after(brake) == pytest.approx(grace)

    in_hasty_loop(test)


def test_nothing_is_heard_before_the_run_has_started_but_that_it_is_lost():
    async def test():
        brake = Brake(Grace())
        brake.hear(RunStatus.PAUSED, "long ago")
        assert brake.stop is None
        brake.hear(None, None)
        assert brake.stop is not None
        assert brake.stop.kind is StopKind.LOST

    in_hasty_loop(test)


def test_the_state_that_a_run_was_started_from_is_old_news_once():
    async def test():
        brake = listening(past=RunStatus.PAUSED)
        brake.hear(RunStatus.PAUSED, "before it was resumed")
        assert brake.stop is None
        brake.hear(RunStatus.PAUSED, "somebody took this process for dead")
        assert brake.stop is not None

        later = listening(past=RunStatus.PAUSED)
        later.hear(RunStatus.RUNNING, None)
        later.hear(RunStatus.PAUSED, "after it was resumed")
        assert later.stop is not None

    in_hasty_loop(test)


def test_a_later_kind_outdoes_an_earlier_one_and_not_the_other_way_round():
    async def test():
        brake = listening()
        brake.pause("pause")
        brake.cancel("cancel")
        brake.pause("again")
        assert brake.stop is not None
        assert (brake.stop.kind, brake.stop.reason) == (StopKind.CANCEL, "cancel")
        brake.fail(OSError("disk"))
        assert brake.stop.kind is StopKind.FAILURE
        assert brake.stop.reason == "its checkpoint could not be written: OSError: disk"
        brake.fail(LeaseLostError("run"))
        assert [brake.stop.kind] == [StopKind.LOST]

    in_hasty_loop(test)


def test_at_once_lets_no_grace_even_if_it_is_asked_for_before_the_run_is_watched():
    async def test():
        brake = listening()
        brake.pause("gently")
        brake.pause("now", at_once=True)
        assert brake.stop is not None
        assert brake.stop.reason == "gently"
        assert await stopped_after(brake) == 0

    in_hasty_loop(test)


def test_a_run_that_has_stopped_is_left_alone():
    async def test():
        brake = listening()
        task = asyncio.create_task(asyncio.sleep(100))
        brake.watch(task)
        brake.release()
        brake.hear(RunStatus.PAUSED, "its own")
        await task

    in_hasty_loop(test)
