"""Stops a run that goes on: gently first, by starting no further agent, then hard."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from langgraph.runtime import RunControl

from planner_graph.errors import LeaseLostError
from planner_graph.types import RunStatus


class StopKind(StrEnum):
    """Why a run stops; what comes later in this list outdoes what came before."""

    PAUSE = "pause"
    CANCEL = "cancel"
    FAILURE = "failure"
    LOST = "lost"


_RANK = {kind: rank for rank, kind in enumerate(StopKind)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """A stop that was asked for, or that could not be avoided because of an ``error``."""

    kind: StopKind
    reason: str
    error: Exception | None = None


OnStop = Callable[[Stop], None] | None
"""Called in the run's event loop as soon as the run is to stop, and again when a stop of a higher rank outdoes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grace:
    """Seconds that running agents get to end by themselves before they are stopped."""

    pause: float = 30.0
    cancel: float = 5.0


class Brake:
    """What stops one run. All methods are called in the run's event loop.

    ``control`` goes to LangGraph: once it asks for a drain, no further agent starts.
    """

    def __init__(self, grace: Grace, on_stop: OnStop = None) -> None:
        self.control = RunControl()
        self.stop: Stop | None = None
        self._grace = grace
        self._on_stop = on_stop
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._at_once = False
        self._listening = False
        self._past: RunStatus | None = None

    def listen(self, status: RunStatus, reason: str | None, *, past: RunStatus) -> None:
        """Heed ``status`` and what it becomes; ``past`` is the one that the run was started from.

        Who reads the status asks beside the run, so the past one may be told once more.
        """
        self._listening = True
        self.hear(status, reason)
        self._past = past

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Say which task is to be cancelled where the run does not stop by itself."""
        self._task = task
        self._brake()

    def hear(self, status: RunStatus | None, reason: str | None) -> None:
        """Take the status that the run has in the database; ``None`` if another process has taken it over.

        It is paused or cancelled already if this process was silent for so long that it seemed to be dead.
        """
        if status is None:
            self._ask(Stop(kind=StopKind.LOST, reason="another process has taken the run over"))
            return
        past, self._past = self._past, None
        if not self._listening or status is past:
            return
        if status in {RunStatus.PAUSING, RunStatus.PAUSED}:
            self.pause(reason or "asked to pause")
        elif status in {RunStatus.CANCELLING, RunStatus.CANCELLED}:
            self.cancel(reason or "asked to cancel")

    def pause(self, reason: str, *, at_once: bool = False) -> None:
        """Let the run pause when its running agents have ended, or when their grace is over."""
        self._ask(Stop(kind=StopKind.PAUSE, reason=reason), at_once=at_once)

    def leave(self) -> None:
        """Let go of the run at once and store nothing more of it; whoever recovers runs goes on with it."""
        self._ask(Stop(kind=StopKind.LOST, reason="left for whoever recovers it"))

    def cancel(self, reason: str) -> None:
        """Let the run be cancelled."""
        self._ask(Stop(kind=StopKind.CANCEL, reason=reason))

    def fail(self, error: Exception) -> None:
        """Stop because what the agents do cannot be stored any more."""
        kind = StopKind.LOST if isinstance(error, LeaseLostError) else StopKind.FAILURE
        reason = f"its checkpoint could not be written: {type(error).__name__}: {str(error).strip()}"
        self._ask(Stop(kind=kind, reason=reason, error=error))

    def release(self) -> None:
        """Forget the run, which has stopped."""
        if self._timer is not None:
            self._timer.cancel()
        self._task = None

    def _ask(self, stop: Stop, *, at_once: bool = False) -> None:
        new = self.stop is None or _RANK[stop.kind] > _RANK[self.stop.kind]
        if new:
            self.stop = stop
            self.control.request_drain(stop.reason)
            if self._on_stop is not None:
                self._on_stop(stop)
        self._at_once = self._at_once or at_once
        if new or at_once:
            self._brake()

    def _brake(self) -> None:
        """Cancel the task when its grace is over, if there is one."""
        if self._task is None or self.stop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        known = {StopKind.PAUSE: self._grace.pause, StopKind.CANCEL: self._grace.cancel}
        grace = 0.0 if self._at_once else known.get(self.stop.kind, 0.0)
        self._timer = asyncio.get_running_loop().call_later(grace, self._task.cancel)
