"""Whose turn it is: the runs that wait for a place in this process, and those that have one."""

import asyncio
import threading
from dataclasses import dataclass, field

from planner_graph.types import RunId


@dataclass(eq=False, kw_only=True, slots=True)
class Turn:
    """One execution of a run, from when it is asked for.

    ``reference`` names the code of its agents; with ``resume`` it is executed even if it is paused by then. ``before``
    is a turn of the same run that still holds it. ``over`` belongs to the loop that executes.
    """

    run_id: RunId
    reference: str | None
    resume: bool
    before: "Turn | None"
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Turns:
    """The turns of one process. All methods may be called from any thread, and count at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[RunId, Turn] = {}
        self._executing: dict[RunId, Turn] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether no further turn is given."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    @property
    def executing(self) -> int:
        """How many have one."""
        return len(self._executing)

    def has(self, run_id: RunId) -> bool:
        """Tell whether a run has a turn or waits for one."""
        with self._lock:
            return run_id in self._waiting or run_id in self._executing

    def ask(self, run_id: RunId, reference: str | None, *, resume: bool) -> Turn | None:
        """Give a run a turn, which waits; ``None`` if it has one that will do, or no further one is given."""
        with self._lock:
            before = self._executing.get(run_id)
            if self._closed or run_id in self._waiting or (before is not None and not resume):
                return None
            turn = Turn(run_id=run_id, reference=reference, resume=resume, before=before)
            self._waiting[run_id] = turn
            return turn

    def begin(self, turn: Turn) -> bool:
        """Give a turn its place; ``False`` if it was dropped meanwhile."""
        with self._lock:
            if self._waiting.get(turn.run_id) is not turn:
                return False
            self._executing[turn.run_id] = self._waiting.pop(turn.run_id)
            return True

    def end(self, turn: Turn) -> None:
        """Forget a turn that is over; another one of the same run may wait meanwhile."""
        with self._lock:
            for turns in (self._waiting, self._executing):
                if turns.get(turn.run_id) is turn:
                    del turns[turn.run_id]
        turn.over.set()

    def drop(self, run_id: RunId) -> None:
        """Take a run out of the line."""
        with self._lock:
            self._waiting.pop(run_id, None)

    def close(self) -> None:
        """Give no further turn; the runs that wait stay as they are stored."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
