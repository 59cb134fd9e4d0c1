"""What goes wrong in one agent while it runs."""

from collections.abc import Sequence
from signal import Signals

from planner_graph.errors.base import PlannerGraphError

SIGKILL = 9
"""The signal that no process survives; Windows has no name for it."""


class OutputError(PlannerGraphError, TypeError):
    """A body returned something that its agent's declaration does not allow."""

    def __init__(self, agent: str, problem: str) -> None:
        self.agent = agent
        super().__init__(f"output of agent {agent!r}: {problem}")


class UnstorableValueError(PlannerGraphError, TypeError):
    """A value cannot be stored in a checkpoint so that it can be read again; ``path`` says where it is."""

    def __init__(self, path: Sequence[str | int], problem: str, remedy: str) -> None:
        self.path, self.problem, self.remedy = tuple(path), problem, remedy
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).removeprefix(".")
        super().__init__(f"{place}: {problem}; {remedy}" if place else f"{problem}; {remedy}")


class DurabilityError(PlannerGraphError, ValueError):
    """Agents with external effects are to run where nothing is stored before the end."""

    def __init__(self, agents: Sequence[str]) -> None:
        self.agents = tuple(agents)
        names = ", ".join(map(repr, self.agents))
        super().__init__(
            "durability 'exit' stores nothing before the end, "
            f"and what agents with external effects read must be stored: {names}; use 'async' or 'sync'"
        )


class BodyCancelledError(PlannerGraphError, RuntimeError):
    """A body ended as cancelled though the run was not cancelled."""

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


class PoolHeldError(PlannerGraphError, TimeoutError):
    """An agent could not start because bodies that were given up on still hold what it needs.

    ``holders`` are their agents, among them perhaps the agent itself with an earlier attempt.
    """

    def __init__(self, agent: str, holders: Sequence[str], seconds: float) -> None:
        self.agent = agent
        self.holders = tuple(holders)
        self.seconds = seconds
        named = " and ".join("its own earlier attempt" if name == agent else repr(name) for name in holders)
        super().__init__(
            f"no place within {seconds:g} s: a pool it needs is held by the thread of {named}, which was given up on "
            "and has not returned; isolation: process lets such bodies be stopped"
        )


class NoCurrentAgentError(PlannerGraphError, LookupError):
    """Somebody asked for the current agent where none is running."""

    def __init__(self) -> None:
        super().__init__(
            "no agent is running here; call current_agent() in the body of an agent or in what it calls, "
            "and start threads of your own in a copy of its context (contextvars.copy_context().run)"
        )
