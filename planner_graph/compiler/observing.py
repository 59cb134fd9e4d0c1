"""Lets others follow a running plan: observers among the callbacks of the config it is invoked with."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langgraph.callbacks import GraphCallbackHandler

from planner_graph.compiler.events import Event
from planner_graph.compiler.state import AgentRecord, Result
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.types import AgentName


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """How an invocation of a plan's graph begins.

    ``run_id`` is the workflow execution that its config names, ``thread_id`` its thread, if any, and ``namespace`` says
    where in the thread it is, if it is part of another graph. ``records`` are those of agents that had ended before; a
    ``fresh`` invocation starts the plan from its entry and has none. ``works`` tells what does the work of the agents.
    """

    plan: ExecutionPlan
    campaign: Mapping[str, Any]
    run_id: str | None
    thread_id: str | None
    namespace: str
    fresh: bool
    records: Mapping[AgentName, AgentRecord]
    works: Callable[[], Mapping[AgentName, str]] = dict


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How an invocation ended: with the plan's ``result``, by an ``error``, or, with neither, at an interrupt."""

    result: Result | None
    error: BaseException | None


class Follower(ABC):
    """Follows one invocation: its beginning, the events of its agents, its ending.

    An invocation that is refused before its first node has no beginning, but always an ending.
    """

    @abstractmethod
    def begin(self, beginning: Beginning) -> None:
        """Take note of the beginning; called once, in the event loop of the agents."""

    @abstractmethod
    async def tell(self, event: Event) -> None:
        """Take an event; the agent goes on when this returns, so it may wait for room but for nothing else."""

    @abstractmethod
    def end(self, ending: Ending) -> "Future[None]":
        """Take note of the ending; whoever invoked the graph gets its result when the future is done, or its error."""


class PlanObserver(GraphCallbackHandler, ABC):
    """A callback handler that follows plans: pass it in ``config["callbacks"]`` to ``invoke`` or ``ainvoke``.

    One observer may follow many invocations at a time. Graph-lifecycle callbacks tell of the same ``invocation``, and
    are all that it is called back for.
    """

    ignore_agent = ignore_chain = ignore_chat_model = ignore_custom_event = True
    ignore_llm = ignore_retriever = ignore_retry = True

    @abstractmethod
    def follow(self, invocation: UUID) -> Follower:
        """Give what follows the invocation that begins now."""


def observers(config: RunnableConfig) -> list[PlanObserver]:
    """Give the observers among the callbacks of ``config``, each once."""
    callbacks = config.get("callbacks")
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or []
    return list(dict.fromkeys(handler for handler in handlers if isinstance(handler, PlanObserver)))


class Following:
    """All who follow one invocation, as one."""

    def __init__(self) -> None:
        self.begun = False
        self.result: Result | None = None
        self._followers: list[Follower] = []

    def __bool__(self) -> bool:
        """Whether anybody follows."""
        return bool(self._followers)

    def by(self, watching: Iterable[PlanObserver], invocation: UUID) -> None:
        """Let observers follow ``invocation``."""
        try:
            for observer in watching:
                self._followers.append(observer.follow(invocation))
        except BaseException as error:
            self._end(error)
            raise

    def begin(self, beginning: Beginning) -> None:
        """Tell everybody of the beginning."""
        self.begun = True
        for follower in self._followers:
            follower.begin(beginning)

    async def tell(self, event: Event) -> None:
        """Tell everybody of an event."""
        for follower in self._followers:
            await follower.tell(event)

    @contextmanager
    def to_the_end(self) -> Iterator[None]:
        """Tell everybody how the block ended, and wait for them."""
        try:
            yield
        except BaseException as error:
            wait(self._end(error))
            raise
        ends = self._end(None)
        wait(ends)
        for end in ends:
            end.result()

    @asynccontextmanager
    async def to_the_end_async(self) -> AsyncIterator[None]:
        """Tell everybody how the block ended, and wait for them."""
        try:
            yield
        except BaseException as error:
            await asyncio.gather(*map(asyncio.wrap_future, self._end(error)), return_exceptions=True)
            raise
        ends = self._end(None)
        await asyncio.gather(*map(asyncio.wrap_future, ends), return_exceptions=True)
        for end in ends:
            end.result()

    def _end(self, error: BaseException | None) -> "list[Future[None]]":
        gone = isinstance(error, GeneratorExit)  # whoever streamed the run went away; it may have ended by then
        ending = Ending(result=self.result if error is None or gone else None, error=error)
        return [follower.end(ending) for follower in self._followers]
