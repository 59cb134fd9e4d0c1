"""What cannot be done with a run."""

from collections.abc import Sequence
from enum import StrEnum

from planner_graph.errors.base import PlannerGraphError


class RunNotFoundError(PlannerGraphError, LookupError):
    """No run with this id is in the database."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"no run {run_id!r} in this database; 'planner-graph runs' lists them")


class AmbiguousRunError(PlannerGraphError, LookupError):
    """More than one run begins with these digits; ``matches`` are some of them."""

    def __init__(self, run_id: str, matches: Sequence[str]) -> None:
        self.run_id = run_id
        self.matches = tuple(matches)
        super().__init__(f"run {run_id!r} may be any of {', '.join(self.matches)}; write more of its digits")


class BadCursorError(PlannerGraphError, ValueError):
    """A cursor that no list of runs gave."""

    def __init__(self, cursor: str) -> None:
        self.cursor = cursor
        super().__init__("the cursor is none that a list of runs gave; pass on next_cursor, or leave it out")


class CampaignNotFoundError(PlannerGraphError, LookupError):
    """No campaign with this id is in the database."""

    def __init__(self, campaign: str) -> None:
        self.campaign = campaign
        super().__init__(f"no campaign {campaign!r} in this database; store it first, or send the whole campaign")


class RunEndedError(PlannerGraphError, RuntimeError):
    """The run has ended, and what has ended does not change."""

    def __init__(self, run_id: str, status: str) -> None:
        self.run_id = run_id
        self.status = status
        super().__init__(f"run {run_id} has ended as {status!r} and stays so; start a new run")


class RunNotResumableError(PlannerGraphError, RuntimeError):
    """The run exists but cannot be continued."""

    def __init__(self, run_id: str, reason: str) -> None:
        self.run_id = run_id
        self.reason = reason
        super().__init__(
            f"run {run_id} cannot be resumed: {reason}; 'planner-graph status {run_id}' shows how it stands"
        )


class OutputNotStoredError(PlannerGraphError, LookupError):
    """The checkpoint of a run does not hold the output of an agent."""

    def __init__(self, run_id: str, agent: str, reason: str) -> None:
        self.run_id = run_id
        self.agent = agent
        remedy = f"'planner-graph status {run_id}' shows what there is"
        super().__init__(f"no output of agent {agent!r} is stored in run {run_id}: {reason}; {remedy}")


class RunIdError(PlannerGraphError, ValueError):
    """A ``workflow_execution_id`` that is no UUID."""

    def __init__(self, run_id: object) -> None:
        self.run_id = run_id
        super().__init__(f"workflow_execution_id {run_id!r} is no UUID; write str(uuid.uuid4()), or leave it out")


class RunExistsError(PlannerGraphError, ValueError):
    """A run was to be accepted under the id of another one."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"there is a run {run_id!r} already; write str(uuid.uuid4()) for another one")


class RunHeldError(PlannerGraphError, RuntimeError):
    """Another process executes a run."""

    def __init__(self, run_id: str, holder: str) -> None:
        self.run_id, self.holder = run_id, holder
        remedy = "wait for it, or fence it out with: planner-graph resume --take-over"
        super().__init__(f"run {run_id!r} is executed by process {holder!r}; {remedy} {run_id}")


class LeaseLostError(PlannerGraphError, RuntimeError):
    """Another process has taken a run over that this one was executing."""

    def __init__(self, run_id: str) -> None:
        remedy = f"'planner-graph status {run_id}' shows which process holds it"
        super().__init__(f"run {run_id!r} was taken over by another process, nothing more is written here; {remedy}")


class CommandRefusedError(PlannerGraphError, RuntimeError):
    """A run cannot be paused, resumed or cancelled in the state it is in."""

    def __init__(self, run_id: str, command: str, reason: str) -> None:
        self.run_id, self.reason = run_id, reason
        super().__init__(f"cannot {command} run {run_id!r}: {reason}; 'planner-graph status {run_id}' shows more")


class RerunRefusedError(PlannerGraphError, RuntimeError):
    """No new run can begin with what a run before it left."""

    def __init__(self, run_id: str, agent: str, problem: str, remedy: str) -> None:
        self.run_id, self.agent = run_id, agent
        super().__init__(f"cannot run {run_id} again from agent {agent!r}: {problem}; {remedy}")


class AnswerRefusedError(PlannerGraphError, RuntimeError):
    """An answer fits no question that an agent asks."""

    def __init__(self, run_id: str, agent: str, problem: str, remedy: str) -> None:
        self.run_id, self.agent = run_id, agent
        super().__init__(f"cannot answer agent {agent!r} of run {run_id}: {problem}; {remedy}")


class PlanChangedError(PlannerGraphError, ValueError):
    """What a run would be planned as today is not the plan it was started with; ``differences`` says in what."""

    def __init__(self, run_id: str, differences: Sequence[str]) -> None:
        self.run_id, self.differences = run_id, tuple(differences)
        lines = [f"run {run_id} was started with another plan; what changed since:"]
        lines += [f"  {line}" for line in self.differences]
        remedy = f"to continue under the new plan: planner-graph resume {run_id} --replan, with the same options"
        super().__init__("\n".join(lines) + f"; {remedy}")


class CheckpointFault(StrEnum):
    """Why a checkpoint cannot be read."""

    DAMAGED = "damaged"
    """Its bytes, or what they say, cannot be what was written."""
    FOREIGN_TYPE = "foreign_type"
    """It names a class or function that may not be built from a checkpoint."""
    UNKNOWN_FORMAT = "unknown_format"
    """A value has a form that is never read, such as a pickle."""
    MISSING = "missing"
    """A value that it refers to is not there."""


class CheckpointUnreadableError(PlannerGraphError, ValueError):
    """What a checkpoint holds cannot be read, or must not be; ``code`` says why, ``thread_id`` whose it is."""

    def __init__(self, code: CheckpointFault, problem: str, *, thread_id: str | None = None) -> None:
        self.code = code
        self.problem = problem
        self.thread_id = thread_id
        whose = f" of thread {thread_id!r}" if thread_id else ""
        super().__init__(f"the checkpoint{whose} cannot be read: {problem}")
