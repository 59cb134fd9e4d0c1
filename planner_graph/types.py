"""The vocabulary that every other module speaks: ids, states, kinds.

States are ``StrEnum`` so that the word in Python, in SQL, in JSON and on the screen is the same word.
"""

from enum import StrEnum
from typing import NewType

AgentName = NewType("AgentName", str)
"""Name of an agent, unique in a catalog and in a plan."""

RunId = NewType("RunId", str)
"""The ``workflow_execution_id`` of one run: a UUID as text."""


class Strategy(StrEnum):
    """How the agents of a plan are wired."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"
    ADAPTIVE = "adaptive"


class DependencyKind(StrEnum):
    """What an agent asks of another one it depends on.

    ``hard``: run only if it completed. ``soft``: wait until it ended in any way, then run without its output if there
    is none. ``optional``: never wait; use its output if it is already there.
    """

    HARD = "hard"
    SOFT = "soft"
    OPTIONAL = "optional"


class RunStatus(StrEnum):
    """State of a run."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    PARTIAL_SUCCESS = "partial_success"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the run is over and cannot be resumed."""
        return self in {RunStatus.CANCELLED, RunStatus.COMPLETED, RunStatus.PARTIAL_SUCCESS, RunStatus.FAILED}


class AgentStatus(StrEnum):
    """State of one agent inside a run."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
