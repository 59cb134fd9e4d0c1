"""What a body may know about the attempt it is, wherever in its calls it asks.

A body in a process of its own imports this module too, so it needs nothing that takes long to import.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from planner_graph.errors import NoCurrentAgentError
from planner_graph.types import AgentName


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentContext:
    """What a body may know about the attempt it is; given as second argument to functions that take two.

    ``run_id`` is the workflow execution, else the thread, else empty. ``idempotency_key`` is the same for every attempt
    and every restart of this agent with these inputs in this run: hand it to services that can recognise a repeated
    request.
    """

    agent: AgentName
    run_id: str
    attempt: int
    idempotency_key: str
    timeout_seconds: float


class Execution:
    """What the attempts of one agent have in common; its key is derived when somebody first asks for it.

    ``goes_on`` says that the body of an attempt that was given up on may still be running.
    """

    __slots__ = ("_key", "_key_of_run", "agent", "goes_on", "inputs", "run_id", "timeout_seconds")

    def __init__(self, agent: AgentName, run_id: str, inputs: dict[str, Any], timeout_seconds: float) -> None:
        self.agent = agent
        self.run_id = run_id
        self.inputs = inputs
        self.timeout_seconds = timeout_seconds
        self.goes_on = False
        # Without an id no two runs may share a key; a run that cannot be resumed has no restarts that must.
        self._key_of_run = run_id or secrets.token_hex(16)
        self._key: str | None = None

    def context(self, attempt: int) -> AgentContext:
        """Give the context of one attempt."""
        if self._key is None:
            self._key = idempotency_key(self._key_of_run, self.agent, self.inputs)
        return AgentContext(
            agent=self.agent,
            run_id=self.run_id,
            attempt=attempt,
            idempotency_key=self._key,
            timeout_seconds=self.timeout_seconds,
        )

    def begin(self, attempt: int) -> None:
        """Let whoever asks in the present context find this attempt."""
        _CURRENT.set((self, attempt))


_CURRENT: ContextVar[tuple[Execution, int] | AgentContext] = ContextVar("planner_graph_current_agent")


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
    if isinstance(current, AgentContext):
        return current
    execution, attempt = current
    return execution.context(attempt)


def become(context: AgentContext) -> None:
    """Let whoever asks in the present context find ``context``."""
    _CURRENT.set(context)


def idempotency_key(run_id: str, agent: str, inputs: Mapping[str, Any]) -> str:
    """Derive the key of an effect from run, agent and inputs."""
    text = json.dumps([run_id, agent, inputs], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
