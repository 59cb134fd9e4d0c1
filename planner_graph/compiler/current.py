"""What a body may know about the attempt it is, wherever in its calls it asks.

A body in a process of its own imports this module too, so it needs nothing that takes long to import.
"""

import copy
import hashlib
import json
import secrets
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, Self

from planner_graph.errors import NoCurrentAgentError
from planner_graph.types import AgentName


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentContext:
    """What a body may know about the attempt it is; given as second argument to functions that take two.

    ``run_id`` is the workflow execution, else the thread, else empty.

    ``idempotency_key`` is the same for every attempt and every restart of this agent in this run, whatever it reads:
    so it stays when an agent before it is repeated and answers differently. ``inputs_key`` covers the inputs, too. A
    rerun is a run of its own, with keys of its own. Hand one of them to services that recognise a repeated request.
    """

    agent: AgentName
    run_id: str
    attempt: int
    idempotency_key: str
    timeout_seconds: float
    inputs_key: str = ""


class Attempt:
    """One attempt of an agent, as the context of its body knows it; its keys are derived when asked for.

    ``named`` says that ``run_id`` is that of a workflow execution. A thread may have several runs, which differ in
    their campaigns.

    ``goes_on`` says that its body, or that of an attempt before it, was given up on but may still be running.
    """

    __slots__ = ("_key_of_run", "_keys", "_named", "agent", "goes_on", "inputs", "number", "run_id", "timeout_seconds")

    def __init__(
        self, agent: AgentName, run_id: str, inputs: dict[str, Any], timeout_seconds: float, *, named: bool = True
    ) -> None:
        self.agent = agent
        self.run_id = run_id
        self.inputs = inputs
        self.timeout_seconds = timeout_seconds
        self.number = 1
        self.goes_on = False
        # Without an id no two runs may share a key; a run that cannot be resumed has no restarts that must.
        self._key_of_run = run_id or secrets.token_hex(16)
        self._named = named
        self._keys: tuple[str, str] | None = None

    def next(self) -> Self:
        """Give the attempt after this one."""
        following = copy.copy(self)
        following.number += 1
        return following

    def begin(self) -> None:
        """Let whoever asks in the present context find this attempt."""
        _CURRENT.set(self)

    def context(self) -> AgentContext:
        """Give what the body may know."""
        if self._keys is None:
            run = self._key_of_run if self._named else idempotency_key(self._key_of_run, self.inputs.get("campaign"))
            self._keys = idempotency_key(run, self.agent), idempotency_key(self._key_of_run, self.agent, self.inputs)
        return AgentContext(
            agent=self.agent,
            run_id=self.run_id,
            attempt=self.number,
            idempotency_key=self._keys[0],
            timeout_seconds=self.timeout_seconds,
            inputs_key=self._keys[1],
        )


_CURRENT: ContextVar[Attempt | AgentContext] = ContextVar("planner_graph_current_agent")


def attempt_in(context: Context) -> Attempt | None:
    """Return the attempt that code in ``context`` belongs to, if it is one of an agent in this process."""
    current = context.get(_CURRENT)
    return current if isinstance(current, Attempt) else None


def current_agent() -> AgentContext:
    """Give the context of the agent whose body this is called from, at any depth.

    Found in a context variable: threads that a body starts by itself know of it if they run in a copy of its context,
    as those of ``asyncio.to_thread`` do.

    Raises:
        NoCurrentAgentError: no agent is running here.
    """
    current = _CURRENT.get(None)
    if current is None:
        raise NoCurrentAgentError
    return current if isinstance(current, AgentContext) else current.context()


def become(context: AgentContext) -> None:
    """Let whoever asks in the present context find ``context``."""
    _CURRENT.set(context)


def idempotency_key(*parts: Any) -> str:
    """Derive the key of an effect from plain JSON: run and agent, and for some services the inputs."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
