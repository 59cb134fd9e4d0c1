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


class Effects(StrEnum):
    """What an agent changes outside of its run, hence what it costs to repeat it.

    ``none``: nothing; it may be repeated and reused freely. ``idempotent``: a repetition with the same key changes
    nothing more. ``external``: each repetition is a further effect; the agent starts only when all it reads is stored.
    """

    NONE = "none"
    IDEMPOTENT = "idempotent"
    EXTERNAL = "external"


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

    @property
    def going_on(self) -> bool:
        """Whether agents of the run may be at work."""
        return self in {RunStatus.RUNNING, RunStatus.PAUSING, RunStatus.CANCELLING}


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

    @property
    def ended(self) -> bool:
        """Whether the agent needs nothing more."""
        return self in _ENDED

    @property
    def at_work(self) -> bool:
        """Whether the agent has started and holds what it needs, also between two attempts."""
        return self in _AT_WORK


# Made once, as a forecast of a large plan asks thousands of times.
_ENDED = frozenset({AgentStatus.COMPLETED, AgentStatus.FAILED, AgentStatus.SKIPPED, AgentStatus.CANCELLED})
_AT_WORK = frozenset({AgentStatus.RUNNING, AgentStatus.RETRYING})


class Role(StrEnum):
    """What a user of the server may do; each role may do all that the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Tell whether this role may do all that the ``other`` one may."""
        roles = list(Role)
        return roles.index(self) >= roles.index(other)
