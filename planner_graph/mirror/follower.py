"""Follows one invocation of a plan's graph, and tells the writer of its mirror what there is to write."""

import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from langgraph.errors import GraphDrained, GraphInterrupt
from langgraph.types import Interrupt
from pydantic import ValidationError

from planner_graph.campaign import Campaign
from planner_graph.compiler.events import Event, pause_reason
from planner_graph.compiler.node import describe
from planner_graph.compiler.observing import Beginning, Ending, Follower
from planner_graph.errors import RunIdError
from planner_graph.mirror.entries import Begin, Entry, Finish, Known, Note, Pause, Track
from planner_graph.mirror.previews import lean_event, lean_record
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.mirror.writer import MirrorWriter
from planner_graph.store.accepting import Acceptance
from planner_graph.store.leases import Lease
from planner_graph.types import RunId, RunStatus


class RunFollower(Follower):
    """Turns what happens in one invocation into entries.

    ``managed`` gives the lease of a run that somebody holds, whose start and end are that one's to record; ``on_end``
    is called when the invocation has ended.
    """

    def __init__(
        self,
        writer: MirrorWriter,
        settings: MirrorSettings,
        *,
        managed: Callable[[RunId], Lease | None],
        on_begin: Callable[[Track], None],
        on_end: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._settings = settings
        self._lease_of = managed
        self._on_begin = on_begin
        self._on_end = on_end
        self._track: Track | None = None
        self._preview = settings.output_preview
        self._secrets: tuple[str, ...] = ()
        self._managed = False
        self._early: list[Note] = []
        self._asking: dict[str, None] = {}
        self._noted: set[Hashable] = set()
        self._ended = False

    def begin(self, beginning: Beginning) -> None:
        """Find or accept the run, and say which of its agents have ended before.

        Raises:
            RunIdError: its ``workflow_execution_id`` is no UUID.
        """
        run_id = _run_id(beginning)
        lease = self._lease_of(run_id)
        self._managed = lease is not None
        self._preview = self._settings.preview_of_each(len(beginning.plan.steps))
        self._secrets = beginning.plan.secrets
        place = " ".join(filter(None, (beginning.thread_id, beginning.namespace))) if beginning.thread_id else None
        self._track = track = Track(
            run_id=run_id, plan=beginning.plan, thread_id=beginning.thread_id, place=place, lease=lease
        )
        self._on_begin(track)
        if not self._managed:
            acceptance = Acceptance(
                campaign=_campaign(beginning), plan=beginning.plan, thread_id=place, works=beginning.works()
            )
            self._put(Begin(acceptance=acceptance, fresh=beginning.fresh, named=beginning.run_id is not None))
        records = {
            agent: lean_record(record, agent, self._preview, beginning.thread_id, self._secrets)
            for agent, record in beginning.records.items()
        }
        self._put(Known(records=records))
        for note in self._early:
            self._put(note)

    async def tell(self, event: Event) -> None:
        """Take an event; waits only if the queue is full.

        Raises:
            RunHeldError, LeaseLostError: another process executes the run, and this was to be the only one.
        """
        if self._track is None:
            raise AssertionError("an invocation begins before its agents do")
        if self._ended:  # its agents were told to stop, and this one is late
            return
        if self._settings.exclusive and self._track.held:
            raise self._track.held
        if event["event"] == "agent_interrupted":
            self._asking[event["agent"]] = None
        self._put(lean_event(event, self._preview, self._track.thread_id, self._secrets))
        if self._writer.full:  # nearly never; a glance costs less than to await
            await self._writer.room()

    def note(self, note: Note, key: Hashable) -> None:
        """Log something, unless something with that ``key`` was; what comes before the beginning is logged after it."""
        if key in self._noted:
            return
        self._noted.add(key)
        if self._track is None:
            self._early.append(note)
        else:
            self._put(note)

    def end(self, ending: Ending) -> "Future[None]":
        """Record how the invocation ended; the future is done when everything is written, or takes too long.

        It holds an error if another process executes the run, and this was to be the only one.
        """
        self._on_end()
        self._ended = True
        if self._track is None:
            nothing: Future[None] = Future()
            nothing.set_result(None)
            return nothing
        if (
            isinstance(ending.error, GraphInterrupt) and ending.error.args
        ):  # in another graph, which is the one that asks
            self.note(asked(ending.error.args[0]), "asked")
        if not self._managed:
            self._put(self._last(ending))
        written = self._writer.flush(self._track)
        return _unless_held(written, self._track) if self._settings.exclusive else written

    def _last(self, ending: Ending) -> Finish | Pause:
        if ending.result is not None:
            return Finish(status=RunStatus(ending.result["status"]), result=ending.result)
        error = ending.error
        if error is None or isinstance(error, GraphInterrupt):
            return Pause(reason=pause_reason(self._asking) if self._asking else "stopped at a breakpoint")
        if isinstance(error, GraphDrained):
            return Pause(reason=f"paused: {error.reason}")
        if isinstance(error, Exception):
            said = describe(error)
            return Pause(reason=": ".join(filter(None, (said["type"], said["message"]))))
        return Pause(reason="stopped from outside; resume it to go on")

    def _put(self, entry: Entry) -> None:
        if self._track is not None:
            self._writer.put(self._track, entry)


def _unless_held(written: "Future[None]", track: Track) -> "Future[None]":
    """Give a future that is done when ``written`` is, with an error if another process turned out to hold the run."""
    done: Future[None] = Future()
    done.set_running_or_notify_cancel()

    def tell(_: "Future[None]") -> None:
        if track.held:
            done.set_exception(track.held)
        else:
            done.set_result(None)

    written.add_done_callback(tell)
    return done


def asked(interrupts: Iterable[Interrupt], checkpoint_id: str | None = None) -> Note:
    """Give the note that somebody is asked; questions of no interrupt are those of a breakpoint."""
    questions = [{"id": interrupt.id, "value": interrupt.value} for interrupt in interrupts]
    return Note(event="run_interrupted", data={"checkpoint_id": checkpoint_id, "interrupts": questions})


def _run_id(beginning: Beginning) -> RunId:
    given = beginning.run_id
    if given is None:
        return RunId(str(uuid.uuid4()))
    try:
        return RunId(str(uuid.UUID(str(given))))
    except ValueError:
        raise RunIdError(given) from None


def _campaign(beginning: Beginning) -> Campaign:
    """Give the campaign that a graph was invoked with; it need not be complete, as the plan is made already."""
    given: Mapping[str, Any] = beginning.campaign
    try:
        return Campaign.model_validate(given)
    except ValidationError:
        return Campaign(id=beginning.plan.campaign_id, type=beginning.plan.campaign_type)
