"""What LangGraph keeps about a node while it runs, prepared for our own attempts.

LangGraph's retry policy does the same between its attempts, with the same keys. They are not in its public interface;
``tests/unit/test_compiler_attempt.py`` fails if a new version renames one.
"""

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

SCRATCHPAD = "__pregel_scratchpad"
RESUMING = "__pregel_resuming"
CHECKPOINTER = "__pregel_checkpointer"
READ = "__pregel_read"
CALL = "__pregel_call"


def next_attempt(config: RunnableConfig, *, alone: bool = True, asked: int = 0) -> RunnableConfig:
    """Give the config for another attempt of the same node, made from the one that LangGraph gave for the first.

    A body that starts over finds the answers that people gave to its earlier attempts, instead of asking again; a
    subgraph goes on from its last checkpoint, and calls of LangGraph's ``@task`` give what they gave before, instead of
    doing paid work twice. Those calls are known by their number; so an attempt that was given up on, but may still make
    some, goes on counting with this one, which is then not ``alone`` and repeats them. ``asked`` is how many questions
    were put before the first attempt; their answers are none of the body's.
    """
    configurable: dict[str, Any] = {**config.get("configurable", {}), RESUMING: True}
    scratchpad = configurable.get(SCRATCHPAD)
    if scratchpad is not None:
        counters = {"interrupt_counter": _counter(asked), "subgraph_counter": _counter()}
        if alone:  # LangGraph numbers the calls by the scratchpad it has itself, whatever is in our config
            object.__setattr__(scratchpad, "call_counter", _counter())
        configurable[SCRATCHPAD] = dataclasses.replace(scratchpad, **counters)
    return {**config, "configurable": configurable}


def state_before(config: RunnableConfig, channels: Iterable[str]) -> dict[str, Any]:
    """Give what these channels held when the present superstep began, as LangGraph has it in memory.

    A checkpoint cannot tell: the one that a fork begins with is still on its way to the database, or never stored.
    """
    return dict(config["configurable"][READ](list(channels)))


def has_sync_checkpointer(config: RunnableConfig) -> bool:
    """Tell whether the run stores its checkpoints with a saver that has no async methods."""
    saver = config.get("configurable", {}).get(CHECKPOINTER)
    return isinstance(saver, BaseCheckpointSaver) and type(saver).aget_tuple is BaseCheckpointSaver.aget_tuple


def _counter(start: int = 0) -> Any:
    return itertools.count(start).__next__
