"""The one error tree of the package.

Every error derives from :class:`PlannerGraphError` and from the built-in type that fits it, carries its evidence as
fields, and builds its message in one place. What is wrong with a user's input is told by :class:`InvalidInputError`,
which holds *all* findings at once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from signal import Signals

SIGKILL = 9
"""The signal that no process survives; Windows has no name for it."""


class PlannerGraphError(Exception):
    """Base of every error this package raises."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with the input, where it is, and what to do about it.

    ``file`` is the document it came from, ``line`` its 1-based line, ``key`` a path such as
    ``agents.writer.dependencies[0]``. Any of them may be unknown. ``agents`` names the agents concerned, for a cycle in
    full with the first name repeated at the end.
    """

    problem: str
    remedy: str = ""
    file: str | None = None
    line: int | None = None
    key: str | None = None
    agents: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        parts = [part for part in (place, self.key) if part]
        text = f"{self.problem}; {self.remedy}" if self.remedy else self.problem
        return ": ".join([*parts, text])


class InvalidInputError(PlannerGraphError, ValueError):
    """The input cannot be used; ``findings`` says everything that is wrong with it, in stable order."""

    subject = "input"

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        head = f"{self.subject} has {count} problem{'s' if count != 1 else ''}:"
        super().__init__("\n".join([head, *(f"  {finding}" for finding in self.findings)]))


class DocumentError(InvalidInputError):
    """A file cannot be read as YAML or JSON at all."""

    subject = "document"


class CatalogError(InvalidInputError):
    """A catalog contradicts itself or is malformed."""

    subject = "catalog"


class CampaignError(InvalidInputError):
    """A campaign is malformed."""

    subject = "campaign"


class PlanError(InvalidInputError):
    """Campaign and catalog are well-formed, but no plan follows from them."""

    subject = "plan"


class StoredPlanError(InvalidInputError):
    """The text of a stored plan is damaged, or was written in a form this program does not know."""

    subject = "stored plan"


class CycleError(PlannerGraphError, ValueError):
    """The dependencies form at least one cycle; each is named in full, its first agent repeated at the end."""

    def __init__(self, cycles: Sequence[tuple[str, ...]]) -> None:
        self.cycles = tuple(cycles)
        super().__init__("circular dependency: " + "; ".join(" -> ".join(cycle) for cycle in self.cycles))


class UnboundAgentsError(PlannerGraphError, LookupError):
    """Agents of the plan have no body to run; ``agents`` lists all of them."""

    def __init__(self, agents: Sequence[str], known: Iterable[str]) -> None:
        self.agents = tuple(agents)
        self.known = tuple(known)
        lines = [f"no body is bound to {len(self.agents)} agent{'s' if len(self.agents) != 1 else ''} of the plan:"]
        for name in self.agents:
            hint = nearest(name, self.known)
            lines.append(f"  {name!r}, {hint}" if hint else f"  {name!r}")
        lines.append("bind each of them in the AgentFactory or mapping that the graph is compiled with")
        super().__init__("\n".join(lines))


class AgentBindingError(PlannerGraphError, TypeError):
    """A reference to agent bodies cannot be resolved to something that can run."""

    def __init__(self, reference: str, problem: str) -> None:
        self.reference = reference
        super().__init__(f"agent binding {reference!r}: {problem}")


class PlanMismatchError(PlannerGraphError, ValueError):
    """A checkpoint belongs to another plan than the graph that was asked to resume it."""

    def __init__(self, *, checkpoint_hash: str, plan_hash: str) -> None:
        self.checkpoint_hash = checkpoint_hash
        self.plan_hash = plan_hash
        super().__init__(
            f"the checkpoint was written by plan {checkpoint_hash}, but this graph was compiled from plan {plan_hash}; "
            "resume it with the plan it was started with, or start a new run"
        )


class StrangeAgentError(PlannerGraphError, ValueError):
    """Somebody leads a thread to an ``agent`` that its plan does not have, or gives a record in that one's place."""

    def __init__(self, agent: str, known: Collection[str]) -> None:
        self.agent = agent
        problem = f"it is not in the plan; name one of: {', '.join(known)}" if known else "it has no plan; start a run"
        super().__init__(f"agent {agent!r} has no part in this thread: {problem}")


class OutputError(PlannerGraphError, TypeError):
    """A body returned something that its agent's declaration does not allow."""

    def __init__(self, agent: str, problem: str) -> None:
        self.agent = agent
        super().__init__(f"output of agent {agent!r}: {problem}")


class BodyCancelledError(PlannerGraphError, RuntimeError):
    """A body ended as cancelled though nobody cancelled the run."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        super().__init__(f"agent {agent!r} was cancelled from within, by its own code or by something it awaited")


class BodyExitedError(PlannerGraphError, RuntimeError):
    """A body asked the process to exit, which would have taken the rest of the run with it."""

    def __init__(self, agent: str, code: object) -> None:
        self.agent = agent
        self.code = code
        super().__init__(f"agent {agent!r} called exit({'' if code is None else repr(code)}); raise an error instead")


class BodyProcessError(PlannerGraphError, ChildProcessError):
    """The process in which a body ran ended without an answer; ``code`` is its exit code, a signal's is negative."""

    def __init__(self, agent: str, code: int) -> None:
        self.agent = agent
        self.code = code
        signals = {-signal: signal.name for signal in Signals}
        ended = (
            f"ended with exit code {code}" if code >= 0 else f"was stopped by {signals.get(code, f'signal {-code}')}"
        )
        problem = f"the process of agent {agent!r} {ended} before it gave a result"
        if -code == SIGKILL:
            problem += "; the operating system does that when memory runs out"
        super().__init__(problem)


class AgentTimeoutError(PlannerGraphError, TimeoutError):
    """All attempts of an agent together have used up its time."""

    def __init__(self, agent: str, seconds: float) -> None:
        self.agent = agent
        self.seconds = seconds
        super().__init__(f"no result within {seconds:g} s, the limit of all attempts together")


class NoCurrentAgentError(PlannerGraphError, LookupError):
    """Somebody asked for the current agent where none is running."""

    def __init__(self) -> None:
        super().__init__(
            "no agent is running here; call current_agent() in the body of an agent or in what it calls, "
            "and start threads of your own in a copy of its context (contextvars.copy_context().run)"
        )


class DatabaseUnavailableError(PlannerGraphError, ConnectionError):
    """The database cannot be reached or refuses the connection; ``target`` names it without a password."""

    def __init__(self, target: str, problem: str, remedy: str) -> None:
        self.target = target
        super().__init__(f"database {target}: {problem}; {remedy}")


class SchemaVersionError(PlannerGraphError, RuntimeError):
    """The tables in the database do not fit this program; ``tables`` says whose they are, ours or LangGraph's."""

    def __init__(self, *, found: int | None, expected: int, tables: str = "planner_graph") -> None:
        self.found = found
        self.expected = expected
        self.tables = tables
        if found is None:
            text = f"the database has no {tables} tables; run 'planner-graph db upgrade'"
        else:
            text = f"the {tables} tables in the database are version {found}, this program needs {expected}; "
            text += (
                "run 'planner-graph db upgrade'"
                if found < expected
                else "upgrade the program: pip install --upgrade planner-graph"
            )
        super().__init__(text)


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


def nearest(name: str, known: Iterable[str]) -> str:
    """Ask if a known name is meant: ``"did you mean 'writer'?"``, or give an empty text if none is near."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else ""


class RunIdError(PlannerGraphError, ValueError):
    """A ``workflow_execution_id`` that is no UUID."""

    def __init__(self, run_id: object) -> None:
        self.run_id = run_id
        super().__init__(f"workflow_execution_id {run_id!r} is no UUID; write str(uuid.uuid4()), or leave it out")


class MirrorOpenError(PlannerGraphError, RuntimeError):
    """A mirror was opened that is open."""

    def __init__(self) -> None:
        super().__init__("the PlanMirror is open already; one may follow any number of runs, or make another one")


class MirrorNotOpenError(PlannerGraphError, RuntimeError):
    """A mirror was passed to a graph before it was opened, or after it was closed."""

    def __init__(self) -> None:
        super().__init__("the PlanMirror is not open; use it within 'with PlanMirror() as mirror:'")


class RunHeldError(PlannerGraphError, RuntimeError):
    """Another process executes a run."""

    def __init__(self, run_id: str, holder: str) -> None:
        self.run_id, self.holder = run_id, holder
        remedy = "wait for it, or fence it out with: planner-graph resume --take-over"
        super().__init__(f"run {run_id!r} is executed by process {holder!r}; {remedy} {run_id}")


class LeaseLostError(PlannerGraphError, RuntimeError):
    """Another process has taken a run over that this one was executing."""

    def __init__(self, run_id: str) -> None:
        remedy = f"'planner-graph status {run_id}' tells who has it"
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
        remedy = f"to go on under the new plan: planner-graph resume {run_id} --replan, with the same options"
        super().__init__("\n".join(lines) + f"; {remedy}")


class TokenNotFoundError(PlannerGraphError, LookupError):
    """No token of the server has this id or name."""

    def __init__(self, token: str) -> None:
        self.token = token
        super().__init__(f"no token {token!r} in this database; 'planner-graph token list' shows all")


class TokenNameTakenError(PlannerGraphError, ValueError):
    """A token of this name is there that was not revoked."""

    def __init__(self, name: str) -> None:
        self.name = name
        remedy = f"use another name, or revoke that one first: planner-graph token revoke {name}"
        super().__init__(f"there is a token {name!r} already; {remedy}")


class KeyReusedError(PlannerGraphError, ValueError):
    """An idempotency key was sent with another request than before; ``run_id`` is what that one has started."""

    def __init__(self, key: str, run_id: str) -> None:
        self.key, self.run_id = key, run_id
        problem = f"the idempotency key {key!r} belongs to another request, which has started run {run_id}"
        super().__init__(f"{problem}; send a new key with a new request")


class RequestRepeatedError(PlannerGraphError, RuntimeError):
    """A request was sent again that has started a run already, which is ``run_id``."""

    def __init__(self, key: str, run_id: str) -> None:
        self.key, self.run_id = key, run_id
        super().__init__(f"the request with the idempotency key {key!r} has started run {run_id} already")
