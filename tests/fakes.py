"""Stand-ins for the outside world: a clock nobody waits for, bodies that take notes, models that follow a script.

Useful to anyone who tests agents of their own.
"""

import asyncio
import os
import selectors
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from pydantic import Field, PrivateAttr

from planner_graph.campaign import Campaign
from planner_graph.catalog.spec import AgentSpec
from planner_graph.compiler.body import Body
from planner_graph.compiler.compiler import CompiledPlan
from planner_graph.compiler.state import PlanInput
from planner_graph.planning.contents import Step
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName
from tests.catalogs import catalog

START = datetime(2030, 1, 1, tzinfo=UTC)
INPUT: PlanInput = {"campaign": {"id": "campaign"}}
"""What a compiled plan is started with where the campaign does not matter."""


class FakeClock:
    """A clock that stands still, but for those who sleep: they wake at once and find the time gone by.

    ``slept`` lists for how many seconds, call by call. ``chance()`` always gives ``luck``.
    """

    def __init__(self, start: datetime = START, luck: float = 0.0) -> None:
        self.time = start
        self.luck = luck
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def chance(self) -> float:
        return self.luck


class Notebook:
    """Bodies that note when they start and end, and with what inputs.

    >>> notes = Notebook()
    >>> body = notes.body("writer", gives="a draft")
    >>> body({"topic": "cats"})
    'a draft'
    >>> notes.ended, notes.inputs["writer"]
    (['writer'], [{'topic': 'cats'}])
    """

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.inputs: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    @property
    def started(self) -> list[str]:
        """Agents in the order in which their bodies began, once per call."""
        return [agent for what, agent in self.events if what == "start"]

    @property
    def ended(self) -> list[str]:
        """Agents in the order in which their bodies returned or raised."""
        return [agent for what, agent in self.events if what == "end"]

    def body(self, agent: str, *, gives: Any = 1, raises: Sequence[BaseException] = ()) -> Callable[..., Any]:
        """Give a sync body that raises the errors in ``raises``, one per call, and then returns ``gives``."""
        script = iter(raises)

        def body(inputs: dict[str, Any]) -> Any:
            self.begin(agent, inputs)
            try:
                for error in script:
                    raise error
                return gives
            finally:
                self.end(agent)

        return body

    def interrupted(self, agent: str, *, gives: Any = 1) -> Callable[..., Any]:
        """Give an async body that sends the process Ctrl-C when called first, and then returns ``gives``."""
        pressed = False

        async def body(inputs: dict[str, Any]) -> Any:
            nonlocal pressed
            self.begin(agent, inputs)
            try:
                if not pressed:
                    pressed = True
                    os.kill(os.getpid(), signal.SIGINT)
                    await asyncio.sleep(60)
                return gives
            finally:
                self.end(agent)

        return body

    def bodies(self, agents: Iterable[str], **others: Body) -> dict[str, Body]:
        """Give a body for each agent; ``others`` are bodies to use instead."""
        return {agent: others.get(agent) or self.body(agent) for agent in agents}

    def begin(self, agent: str, inputs: dict[str, Any]) -> None:
        with self._lock:
            self.events.append(("start", agent))
            self.inputs.setdefault(agent, []).append(inputs)

    def end(self, agent: str) -> None:
        with self._lock:
            self.events.append(("end", agent))


class ScriptedChatModel(BaseChatModel):
    """A chat model that gives ``replies``, texts or messages, one after the other, and raises those that are errors.

    ``asked`` holds the messages of each call.
    """

    replies: list[Any]
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  # the base class's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **_: Any,
    ) -> ChatResult:
        with self._lock:
            reply = self.replies[len(self.asked)]
            self.asked.append(messages)
        if isinstance(reply, BaseException):
            raise reply
        message = reply if isinstance(reply, AIMessage) else AIMessage(reply)
        return ChatResult(generations=[ChatGeneration(message=message)])

    @property
    def _llm_type(self) -> str:
        return "scripted"


def planned(
    *specs: AgentSpec, strategy: str = "parallel", select: Mapping[str, Iterable[str]] | None = None, **campaign: Any
) -> ExecutionPlan:
    """Plan a campaign of all these agents, or those of ``select["all"]``; keywords are fields of the campaign."""
    request = Campaign.model_validate({"id": "campaign", "type": "all", **campaign})
    return MasterPlanner(catalog(*specs, select=select)).create_execution_plan(request, strategy)


def step_of(plan: ExecutionPlan, agent: str) -> Step:
    """Give the step of one agent."""
    return plan.by_agent[AgentName(agent)]


def run(
    graph: CompiledPlan, given: Any = INPUT, config: RunnableConfig | None = None, *, how: str = "invoke"
) -> dict[str, Any]:
    """Run a compiled plan by its method ``how`` and give the whole final state, records included."""
    keys = [key for key in graph.channels if key in graph.stream_channels_list and key != "campaign"]
    options: dict[str, Any] = {"config": config, "output_keys": keys}

    async def last() -> Any:
        return [state async for state in graph.astream(given, stream_mode="values", **options)][-1]

    final: Any
    if how == "invoke":
        final = graph.invoke(given, **options)
    elif how == "ainvoke":
        final = asyncio.run(graph.ainvoke(given, **options))
    elif how == "stream":
        final = list(graph.stream(given, stream_mode="values", **options))[-1]
    else:
        final = asyncio.run(last())
    return dict(final)


WAYS = ("invoke", "ainvoke", "stream", "astream")
"""The methods by which a graph can be run."""


def thread(name: str = "thread") -> RunnableConfig:
    """Give the config of a thread."""
    return {"configurable": {"thread_id": name}}


def within(seconds: float, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Give what ``function`` returns, or fail after so many seconds, even if it never returns and cannot be stopped."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.extend((function(*arguments, **options), None))
        except BaseException as error:  # noqa: BLE001  # raised again by the caller
            outcome.extend((None, error))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    assert outcome, f"no end within {seconds} s"
    given, error = outcome
    if error is not None:
        raise error
    return given


class HastyLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer as soon as nothing else is left to do.

    >>> asyncio.Runner(loop_factory=HastyLoop).run(asyncio.sleep(3600))
    """

    def __init__(self) -> None:
        super().__init__(_HastySelector(self))
        self.now = 0.0

    def time(self) -> float:
        return self.now


class _HastySelector(selectors.DefaultSelector):
    def __init__(self, loop: HastyLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if timeout and not ready:
            self._loop.now += timeout
        return ready
