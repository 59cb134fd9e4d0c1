"""Names in the log the agents whose bodies hold an event loop, so that nothing else in it can move.

A thread looks at the loops of running plans a few dozen times a second: which task runs there now, and is it still the
same step? Only a step that every look finds is reported; the agent is found in the context in which the step runs.
Nothing is measured in the loop itself.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from planner_graph.compiler import time_limit
from planner_graph.compiler.current import Attempt, attempt_in

LONGEST_HOLD = 0.2
"""Seconds for which a body may hold its event loop without being named."""

TICK = 0.02
"""Seconds between two looks."""

_NODE = str(Path(__file__).with_name("node.py"))
_LOG = logging.getLogger(__name__)


class _Hold:
    """A step of a task, from the first look that found it until the loop comes to something else."""

    def __init__(self, task: asyncio.Task[Any], began: float) -> None:
        self.task = task
        self.began = began
        self.ended: float | None = None
        self.culprit: tuple[Attempt, str] | None = None

    def end(self) -> None:
        self.ended = time.monotonic()


class _Watched:
    """One event loop, the thread that it runs in, and how many running plans have it watched."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.plans = 0
        self.hold: _Hold | None = None

    def look(self, now: float) -> None:
        """Follow the step that runs now, and name the one that has ended, if it took long."""
        task = asyncio.current_task(self.loop)
        hold = self.hold
        if hold is not None and (hold.ended is not None or hold.task is not task):
            _report(hold, (hold.ended or now) - hold.began)
            hold = self.hold = None
        if hold is not None:
            if hold.culprit is None and now - hold.began >= LONGEST_HOLD / 2:
                hold.culprit = _culprit(self.thread)
        elif task is not None:
            hold = self.hold = _Hold(task, now)
            with suppress(RuntimeError):  # the loop has just been closed
                self.loop.call_soon_threadsafe(hold.end)


class LoopWatch:
    """Watches event loops from a thread of its own, for as long as plans run in any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loops: dict[asyncio.AbstractEventLoop, _Watched] = {}
        self._thread: threading.Thread | None = None

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch ``loop``, in whose thread this is called, for one more running plan."""
        with self._lock:
            self._loops.setdefault(loop, _Watched(loop)).plans += 1
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="planner-graph-loop-watch", daemon=True)
                self._thread.start()

    def leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch ``loop`` for one running plan less."""
        with self._lock:
            watched = self._loops.get(loop)
            if watched is None:
                return
            watched.look(time.monotonic())
            watched.plans -= 1
            if not watched.plans:
                del self._loops[loop]

    def _work(self) -> None:
        while True:
            time.sleep(TICK)
            with self._lock:
                for loop, watched in [*self._loops.items()]:
                    if loop.is_closed():
                        del self._loops[loop]
                    else:
                        watched.look(time.monotonic())
                if not self._loops:
                    self._thread = None
                    return


LOOP_WATCH = LoopWatch()
"""That of this process; its thread lives only while plans run."""


def _report(hold: _Hold, seconds: float) -> None:
    if hold.culprit is not None and seconds > LONGEST_HOLD - TICK / 2:
        attempt, place = hold.culprit
        _LOG.warning(
            "agent %r held the event loop for %.2g s, at %s; everything else in that loop stood still. "
            "Await in its body what takes long, or make it a sync function, which runs in a thread",
            attempt.agent,
            seconds,
            place,
        )


def _culprit(thread: int) -> tuple[Attempt, str] | None:
    """Return the attempt whose body runs in a thread now, and where in its code; ``None`` if it is no body."""
    frames = list(_frames(sys._current_frames().get(thread)))  # noqa: SLF001  # documented; there is no other way
    files = {frame.f_code.co_filename for frame in frames}
    if not frames or (_NODE in files and time_limit.__file__ not in files):
        return None
    inmost = frames[0].f_code
    place = f"{Path(inmost.co_filename).name}:{frames[0].f_lineno} in {inmost.co_name}"
    for frame in frames:
        handle = frame.f_locals.get("self") if frame.f_code.co_name == "_run" else None
        if isinstance(handle, asyncio.Handle):
            attempt = attempt_in(handle._context)  # type: ignore[attr-defined]  # noqa: SLF001  # no public way in 3.11
            return None if attempt is None else (attempt, place)
    return None


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
