"""The thread of a mirror, with a delivery that only takes notes: nothing told is forgotten, nobody waits for ever."""

import asyncio
import contextvars
import gc
import threading
import uuid
import weakref
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import asynccontextmanager
from typing import Any

import pytest

from planner_graph.compiler.events import AgentStarted
from planner_graph.compiler.observing import Beginning, Ending
from planner_graph.errors import DatabaseUnavailableError
from planner_graph.mirror import writer as module
from planner_graph.mirror import writer as writer_module
from planner_graph.mirror.entries import Note, Track
from planner_graph.mirror.follower import RunFollower
from planner_graph.mirror.handler import PlanMirror
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.mirror.writer import MirrorWriter
from planner_graph.store.leases import Lease
from planner_graph.types import RunId
from tests.events import NOON
from tests.plans import make_plan

PLAN = make_plan({"a": []})
SECONDS = 20


class Notes:
    """What was delivered, batch by batch: runs and what happened in them. Deliveries wait while ``gate`` is closed."""

    def __init__(self):
        self.batches: list[list[tuple[str, str]]] = []
        self.touched: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)
        self.beats = threading.Semaphore(0)
        self.raises: BaseException | None = None
        self.victim: Track | None = None
        self.obstacle: str | None = None

    @property
    def all(self):
        return [note for batch in self.batches for note in batch]

    def __call__(self, database, *, patience_seconds):  # noqa: ARG002  # in the place of the class
        return self

    async def deliver(self, batch):
        told = [(track.run_id, entry) for track, entries in batch.items() for entry in entries]
        self.batches.append([(run_id, getattr(entry, "event", "")) for run_id, entry in told])
        self.arrived.release()
        while not self.gate.is_set():  # noqa: ASYNC110  # the gate is another thread's
            await asyncio.sleep(0.001)
        if self.raises and self.victim in {None, *batch}:
            raise self.raises
        for track, entries in batch.items():
            track.written += len(entries)

    async def touch(self, estimates):
        self.touched += [track.run_id for track in estimates]
        self.beats.release(len(estimates))

    async def close(self):
        pass


@pytest.fixture
def notes(monkeypatch):
    notes = Notes()
    monkeypatch.setattr(module, "Delivery", notes)
    yield notes
    notes.gate.set()


@asynccontextmanager
async def database():
    yield None


def writing(**settings) -> MirrorWriter:
    chosen = MirrorSettings.model_validate({"delay_seconds": 0, "flush_seconds": SECONDS, **settings})
    opened = MirrorWriter(database, chosen)
    opened.start().result(SECONDS)
    return opened


def track(run_id=None, place=None):
    return Track(run_id=RunId(run_id or str(uuid.uuid4())), plan=PLAN, thread_id=place, place=place)


def note(event="run_resumed"):
    return Note(event=event, data={})


def test_what_is_told_is_delivered_in_order_and_counted(notes):
    writer, one = writing(), track()
    for number in range(10):
        writer.put(one, note(str(number)))
    writer.flush(one).result(SECONDS)

    assert [event for _, event in notes.all] == [str(number) for number in range(10)]
    assert (one.told, one.written, one.lost) == (10, 10, 0)
    writer.close()


def test_closing_writes_what_is_left(notes):
    writer, one = writing(delay_seconds=60), track()
    for number in range(2_500):  # more than a batch
        writer.put(one, note(str(number)))
    writer.close()

    assert one.written == 2_500
    assert [len(batch) for batch in notes.batches] == [1_000, 1_000, 500]


def test_a_flush_does_not_wait_for_more_to_come(notes):
    writer, one = writing(delay_seconds=60), track()
    for number in range(2):
        writer.put(one, note(str(number)))
        writer.flush(one).result(SECONDS)
    writer.close()

    assert notes.batches == [[(one.run_id, "0")], [(one.run_id, "1")]]


@pytest.mark.usefixtures("notes")
async def test_an_agent_that_is_told_to_stop_and_is_late_tells_nothing_of_a_run_that_has_paused():
    writer, tracks = writing(), list[Track]()
    follower = RunFollower(
        writer,
        MirrorSettings(),
        managed=lambda run: Lease(run_id=run, token=1),
        on_begin=tracks.append,
        on_end=lambda: None,
    )
    follower.begin(Beginning(plan=PLAN, campaign={}, run_id=None, thread_id=None, namespace="", fresh=True, records={}))
    await asyncio.wrap_future(follower.end(Ending(result=None, error=None)))
    before = tracks[0].told
    await follower.tell(AgentStarted(event="agent_started", agent="a", attempt=1, at=NOON.isoformat()))
    await asyncio.to_thread(writer.close)

    assert tracks[0].told == before == 1


def test_what_comes_after_the_end_is_lost_and_nobody_waits_for_it(notes):
    writer, one = writing(), track()
    writer.close()
    writer.put(one, note())

    assert writer.flush(one).done()
    assert (one.told, one.lost, one.problem) == (1, 1, "the mirror is closed")
    assert not writer.open
    assert not writer.broken
    assert notes.batches == []
    writer.close()


def test_what_cannot_be_written_in_time_is_lost_when_it_is_closed(notes):
    writer, one, other = writing(flush_seconds=0.05), track(), track()
    notes.gate.clear()
    writer.put(one, note())
    assert notes.arrived.acquire(timeout=SECONDS)
    writer.put(other, note())
    waiting = [writer.flush(one), writer.flush(other)]
    writer.close()

    assert all(done.done() for done in waiting)
    assert (one.problem, one.lost) == ("the mirror was closed", 1)
    assert other.problem == "the mirror was closed before the database took everything"


def test_a_flush_takes_no_longer_than_it_may(notes):
    writer, one = writing(flush_seconds=0.05), track()
    notes.gate.clear()
    writer.put(one, note())
    writer.flush(one).result(SECONDS)

    assert (one.told, one.written, one.problem) == (1, 0, None)
    notes.gate.set()
    writer.close()
    assert one.written == 1


def test_who_is_in_a_hurry_waits_for_no_flush_and_no_closing(notes, monkeypatch):
    monkeypatch.setattr(writer_module, "LAST_SECONDS", 0.05)
    writer, one = writing(flush_seconds=600), track()
    notes.gate.clear()
    writer.put(one, note())
    before = writer.flush(one)
    writer.hasten()
    before.result(SECONDS)
    writer.flush(one).result(SECONDS)
    writer.close()

    assert (one.written, one.lost, one.problem) == (0, 1, "the mirror was closed")


def test_whoever_gives_up_waiting_does_no_harm(notes):
    writer, one = writing(), track()
    notes.gate.clear()
    writer.put(one, note())

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(writer.flush(one)), 0.01)

    asyncio.run(give_up())
    assert not writer.flush(one).cancel()
    notes.gate.set()
    writer.put(one, note())
    writer.flush(one).result(SECONDS)
    assert one.written == 2
    writer.close()


@pytest.mark.parametrize("turn", range(5))
def test_entries_flushes_and_the_end_may_come_from_any_thread_at_any_time(notes, turn):
    writer, together = writing(flush_seconds=10), threading.Barrier(9)

    def run():
        one = track()
        together.wait(SECONDS)
        waiting = []
        for _ in range(200):
            writer.put(one, note())
            waiting.append(writer.flush(one))
        assert not wait(waiting, SECONDS).not_done
        return one

    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(run) for _ in range(8)]
        together.wait(SECONDS)
        notes.arrived.acquire(timeout=turn / 100)
        writer.close()
        tracks = [run.result(SECONDS) for run in runs]

    for one in tracks:
        assert one.told == 200 == one.written + one.lost
        assert (one.problem is not None) == (one.lost > 0)


def test_two_invocations_of_one_run_are_never_in_one_batch(notes):
    writer = writing()
    run_id = str(uuid.uuid4())
    notes.gate.clear()
    first = track()
    writer.put(first, note("first"))
    assert notes.arrived.acquire(timeout=SECONDS)  # the following comes while it is delivered
    before, after = track(run_id, "thread"), track(run_id, "thread")
    by_thread = track(place="thread")
    bystander = track(place="other")
    told = ((before, "1"), (bystander, "2"), (before, "3"), (after, "4"), (before, "5"), (bystander, "6"))
    for one, event in (*told, (by_thread, "7")):
        writer.put(one, note(event))
    notes.gate.set()
    writer.close()

    assert [[event for _, event in batch] for batch in notes.batches] == [
        ["first"],
        ["1", "3", "2"],
        ["4"],
        ["5", "6"],
        ["7"],
    ]


async def test_who_waits_for_room_goes_on_when_there_is_some(notes):
    writer, one = writing(queue_limit=2), track()
    notes.gate.clear()
    writer.put(one, note())
    assert await asyncio.to_thread(notes.arrived.acquire, timeout=SECONDS)
    await asyncio.wait_for(writer.room(), SECONDS)
    writer.put(one, note())
    writer.put(one, note())
    waiting = [asyncio.create_task(writer.room()) for _ in range(3)]
    gone = asyncio.create_task(writer.room())
    await asyncio.sleep(0)
    gone.cancel()
    done, _ = await asyncio.wait(waiting, timeout=0.05)
    assert not done

    notes.gate.set()
    await asyncio.wait_for(asyncio.gather(*waiting), SECONDS)
    writer.close()
    assert one.written == 3


async def test_who_waits_for_room_goes_on_when_the_mirror_is_closed(notes):
    writer, one = writing(queue_limit=1, flush_seconds=0.05), track()
    notes.gate.clear()
    writer.put(one, note())
    assert await asyncio.to_thread(notes.arrived.acquire, timeout=SECONDS)
    writer.put(one, note())
    waiting = asyncio.create_task(writer.room())
    await asyncio.sleep(0)
    await asyncio.to_thread(writer.close)

    await asyncio.wait_for(waiting, SECONDS)


def test_a_loop_that_is_gone_does_not_keep_others_waiting(notes):
    writer, one = writing(queue_limit=1), track()
    notes.gate.clear()
    writer.put(one, note())
    assert notes.arrived.acquire(timeout=SECONDS)
    writer.put(one, note())
    loop = asyncio.new_event_loop()
    forgotten: Any = loop.create_task(writer.room())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    notes.gate.set()

    asyncio.run(asyncio.wait_for(writer.room(), SECONDS))
    writer.close()
    assert one.written == 2
    assert not forgotten.done()
    forgotten._log_destroy_pending = False
    forgotten.get_coro().close()


def test_a_fault_breaks_the_mirror_and_says_so(notes, caplog):
    writer, first, one, behind, late = writing(batch_limit=2), track(), track(), track(), track()
    notes.gate.clear()
    writer.put(first, note())
    assert notes.arrived.acquire(timeout=SECONDS)
    writer.put(one, note())
    waiting = [writer.flush(one)]  # it comes in one batch with what fails, and the next one never comes
    writer.put(behind, note())
    waiting.append(writer.flush(behind))
    notes.raises, notes.victim = ZeroDivisionError("oops"), one
    notes.gate.set()
    writer._thread.join(SECONDS)
    assert all(done.done() for done in waiting)
    writer.put(late, note())

    assert writer.flush(late).done()
    assert writer.open
    assert writer.broken
    assert one.problem == "ZeroDivisionError: oops"
    assert behind.problem == late.problem == "the mirror broke: ZeroDivisionError: oops"
    assert "the mirror ended" in caplog.text
    writer.close()
    assert not writer.broken


def test_runs_are_shown_to_be_followed_until_they_are_flushed(notes):
    writer, one, other = writing(heartbeat_seconds=0.001), track(), track()
    writer.put(one, note())
    writer.put(other, note())
    writer.flush(one).result(SECONDS)
    before = len(notes.touched)
    for _ in range(before + 10):
        assert notes.beats.acquire(timeout=SECONDS)
    writer.close()

    assert set(notes.touched[before:]) == {other.run_id}


@pytest.mark.usefixtures("notes")
def test_what_called_is_not_kept_for_as_long_as_a_flush_may_take():
    class Graph:
        pass

    kept: contextvars.ContextVar[Any] = contextvars.ContextVar("kept")
    writer, one = writing(flush_seconds=600), track()

    def call():
        graph = Graph()
        kept.set(graph)
        writer.put(one, note())
        writer.flush(one).result(SECONDS)
        return weakref.ref(graph)

    ref = contextvars.copy_context().run(call)
    gc.collect()
    assert ref() is None
    assert (one.plan, one.ledger) == (None, None)
    writer.close()


@asynccontextmanager
async def no_database():
    raise DatabaseUnavailableError("here", "it is away", "wait")
    yield


def test_a_database_that_cannot_be_opened_is_told_to_whoever_opens_the_mirror():
    writer = MirrorWriter(no_database, MirrorSettings())
    with pytest.raises(DatabaseUnavailableError, match="it is away"):
        writer.start().result(SECONDS)
    assert not writer.open
    writer.close()


def test_a_mirror_whose_database_is_away_is_not_open():
    mirror = PlanMirror("postgresql://nobody@localhost:1/nothing?connect_timeout=1")
    with pytest.raises(DatabaseUnavailableError):
        mirror.__enter__()
    with pytest.raises(DatabaseUnavailableError):
        asyncio.run(mirror.__aenter__())
    assert mirror._writer is not None
    assert not mirror._writer._thread.is_alive()


@pytest.mark.usefixtures("notes")
async def test_opening_that_is_given_up_leaves_nothing_open(monkeypatch):
    opening, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    @asynccontextmanager
    async def slow():
        opening.set()
        await asyncio.to_thread(go_on.wait, SECONDS)
        yield None
        closed.set()

    mirror = PlanMirror("somewhere")
    monkeypatch.setattr(mirror, "_opener", lambda: slow)
    task = asyncio.create_task(mirror.__aenter__())
    await asyncio.to_thread(opening.wait, SECONDS)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()
