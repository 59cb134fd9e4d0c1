"""What an attempt of an agent stores in checkpoints beside its record: questions, calls of ``@task``, graphs within.

LangGraph writes in the background, and would fail the whole run, later, for a value that cannot be stored. Here the
agent fails that would store it, as soon as it would.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial, wraps
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.errors import GraphInterrupt

from planner_graph.compiler.attempt import CALL, CHECKPOINTER
from planner_graph.compiler.saver_view import guarded, serializer_of
from planner_graph.errors import UnstorableValueError
from planner_graph.serializer import CheckpointSerializer

ResultT = TypeVar("ResultT")


class StorageWatch:
    """Watches over what one attempt stores; ``config`` is what its body must run with."""

    def __init__(self, config: RunnableConfig, serializer: CheckpointSerializer) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit: asyncio.Timeout | None = None
        self._fault: UnstorableValueError | None = None
        configurable = config.get("configurable", {})
        saver = guarded(configurable.get(CHECKPOINTER), serializer.reporting(self._failed))
        self._serializer = serializer_of(saver)  # None if nothing is stored, or in a form that the user chose
        self.config = config
        if self._serializer is not None:
            watched = {CHECKPOINTER: saver}
            if CALL in configurable:
                watched[CALL] = partial(_checked_call, configurable[CALL], self._serializer)
            self.config = {**config, "configurable": {**configurable, **watched}}

    async def watched(self, work: Awaitable[ResultT]) -> ResultT:
        """Return what ``work`` gives, which is stopped as soon as something cannot be stored.

        Raises:
            UnstorableValueError: something could not.
        """
        try:
            async with asyncio.timeout(None) as self._limit:
                given = await work
        except GraphInterrupt as pause:
            self._raise_fault()
            if self._serializer is not None:
                _check_questions(self._serializer, pause)
            raise
        except Exception:
            self._raise_fault()
            raise
        self._raise_fault()
        return given

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _failed(self, fault: UnstorableValueError) -> None:
        """Keep what could not be stored, and end the attempt; called from any thread."""
        self._fault = self._fault or fault
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._limit is not None:
            with suppress(RuntimeError):  # the attempt is over already
                self._limit.reschedule(self._loop.time())


def _checked_call(
    call: Callable[..., Any], serializer: CheckpointSerializer, function: Any, *args: Any, **options: Any
) -> Any:
    """Call a ``@task`` as LangGraph does; one whose result cannot be stored fails."""
    return call(_checked(function, call, serializer), *args, **options)


def _checked(function: Any, call: Callable[..., Any], serializer: CheckpointSerializer) -> Any:
    """Return the function of a ``@task``, by its own name, that fails if its result cannot be stored."""

    def begin() -> None:
        """Have the calls that it makes itself checked, too: LangGraph gives them a way of its own."""
        config = var_child_runnable_config.get() or {}
        configurable = config.get("configurable", {})
        own = configurable.get(CALL, call)
        checked_call = partial(_checked_call, own, serializer)
        var_child_runnable_config.set({**config, "configurable": {**configurable, CALL: checked_call}})

    async def checked_async(*args: Any, **options: Any) -> Any:
        begin()
        try:
            result = await function(*args, **options)
        except GraphInterrupt as pause:
            _check_questions(serializer, pause)
            raise
        serializer.require_storable(result)
        return result

    def checked(*args: Any, **options: Any) -> Any:
        begin()
        try:
            result = function(*args, **options)
        except GraphInterrupt as pause:
            _check_questions(serializer, pause)
            raise
        serializer.require_storable(result)
        return result

    wrapper = wraps(function)(checked_async if inspect.iscoroutinefunction(function) else checked)
    if not hasattr(function, "__name__"):  # LangGraph takes the name of such a call from there, and so knows it again
        wrapper.__name__ = getattr(getattr(function, "func", None), "__name__", type(function).__name__)
    return wrapper


def _check_questions(serializer: CheckpointSerializer, pause: GraphInterrupt) -> None:
    """Refuse questions that cannot be stored.

    Raises:
        UnstorableValueError: one cannot; its path begins with ``question``.
    """
    quiet = serializer.reporting(None)
    for question in pause.args[0] if pause.args else ():
        try:
            quiet.require_storable(question.value)
        except UnstorableValueError as fault:
            named = UnstorableValueError(("question", *fault.path), fault.problem, fault.remedy)
            if serializer.on_fault is not None:
                serializer.on_fault(named)
            raise named from fault
