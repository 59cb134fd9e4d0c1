"""Where several agents of a plan must have ended before the next one starts: LangGraph's barriers, made safe to store.

LangGraph hands a checkpoint over to be stored in the background, and with it the very set in which a barrier notes who
has arrived. The next superstep adds to that set; if the process dies then, the stored barrier counts agents whose
records were never stored. They run again when the run is resumed, the barrier sees nothing new, and nobody goes on.

And an update from outside begins a new superstep in the place of the one under way, but leaves the barriers full that
started that one: its agents would start once more, beside those that the update starts.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from langgraph.channels.named_barrier_value import NamedBarrierValue
from langgraph.graph.state import CompiledStateGraph

_replacing: ContextVar[bool] = ContextVar("planner_graph_replacing", default=False)


@contextmanager
def superstep_replaced() -> Iterator[None]:
    """Within this block, joins that are full have served: the superstep that they started is replaced by an update."""
    token = _replacing.set(True)
    try:
        yield
    finally:
        _replacing.reset(token)


class Join(NamedBarrierValue[str]):
    """A barrier that gives away and takes copies only."""

    __slots__ = ()

    def update(self, values: Sequence[str]) -> bool:
        """Take note of who has arrived; LangGraph tells of nobody where a superstep has ended without any."""
        if not values and _replacing.get() and self.is_available():
            return self.consume()
        return super().update(values)

    def checkpoint(self) -> set[str]:
        """Give who has arrived so far."""
        return set(self.seen)

    def from_checkpoint(self, checkpoint: Any) -> Self:
        """Give the same barrier as a checkpoint left it."""
        return super().from_checkpoint(set(checkpoint) if isinstance(checkpoint, set) else checkpoint)


def secure_joins(graph: CompiledStateGraph[Any, Any, Any, Any]) -> None:
    """Put joins in place of all barriers of a graph that has just been compiled."""
    for name, channel in graph.channels.items():
        if type(channel) is NamedBarrierValue:
            join = Join(str, channel.names)
            join.key = channel.key
            graph.channels[name] = join
