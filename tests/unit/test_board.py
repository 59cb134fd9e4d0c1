"""Where the agents of one invocation meet: whose turn it is, who is turned away, who is told when."""

import asyncio

import pytest
from langgraph.errors import GraphBubbleUp, GraphDrained, GraphInterrupt
from langgraph.types import Interrupt

from planner_graph.compiler.board import LONGEST_NAP, Board
from planner_graph.compiler.compiler import compile_plan
from planner_graph.planning.scheduler import Demand, Scheduler
from planner_graph.types import AgentName
from tests.catalogs import spec
from tests.fakes import INPUT, HastyLoop, planned

RECORD = {"status": "completed"}


def board(after, *, state=None, draining=lambda: False, needs=None, **limits):
    demands = [
        Demand(agent=AgentName(name), waits_for=tuple(map(AgentName, before)), resources=(needs or {}).get(name, {}))
        for name, before in after.items()
    ]
    return Board(Scheduler(demands, **limits), state or {}, drain_requested=draining)


class Visitors:
    """Agents that visit a board, each in a task of its own; an agent in ``raises`` leaves by that error."""

    def __init__(self, visited, *, raises=None, has_work=None):
        self.board = visited
        self.raises = raises or {}
        self.has_work = has_work or {}
        self.started = []
        self.may_end = {}
        self.tasks = {}

    async def visit(self, agent):
        async with self.board.turn(agent, self.has_work.get(agent, lambda: True)):
            self.started.append(agent)
            await self.may_end.setdefault(agent, asyncio.Event()).wait()
            if agent in self.raises:
                raise self.raises[agent]
            self.board.settle(agent, RECORD)

    async def come(self, *agents):
        for agent in agents:
            self.tasks[agent] = asyncio.create_task(self.visit(agent))
        await rest()

    async def end(self, *agents):
        for agent in agents:
            self.may_end.setdefault(agent, asyncio.Event()).set()
        await rest()

    def outcome(self, agent):
        """Tell how the visit ended: ``None`` while it lasts."""
        task = self.tasks[agent]
        if not task.done():
            return None
        return "cancelled" if task.cancelled() else (task.exception() or "settled")

    async def leave(self):
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def rest():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_each_starts_when_those_it_waits_for_have_settled():
    visitors = Visitors(board({"a": "", "b": "a", "c": "b"}))
    await visitors.come("c", "b", "a")
    assert visitors.started == ["a"]
    await visitors.end("a")
    assert visitors.started == ["a", "b"]
    await visitors.end("b", "c")
    assert [visitors.outcome(agent) for agent in "abc"] == ["settled"] * 3
    assert visitors.board.state == dict.fromkeys("abc", RECORD)


async def test_records_from_before_let_their_followers_start():
    visitors = Visitors(board({"a": "", "b": "a"}, state={"a": RECORD, "b": None, "campaign": {}}))
    await visitors.come("b")
    assert visitors.started == ["b"]
    await visitors.leave()


async def test_who_waits_for_one_that_asks_a_human_leaves_with_an_empty_interrupt_and_others_go_on():
    asks = GraphInterrupt([Interrupt(value="?", id="x")])
    visitors = Visitors(board({"a": "", "b": "a", "c": "b", "d": ""}), raises={"a": asks})
    await visitors.come(*"abcd")
    await visitors.end("a")
    assert visitors.outcome("a") is asks
    for agent in "bc":
        assert isinstance(visitors.outcome(agent), GraphInterrupt)
        assert visitors.outcome(agent).args == ((),)
    assert visitors.outcome("d") is None
    await visitors.end("d")
    assert visitors.outcome("d") == "settled"


class Signal(GraphBubbleUp):
    """Something of LangGraph's that this package does not know, made from two things."""

    def __init__(self, one, two):
        super().__init__(one, two)


@pytest.mark.parametrize("error", [Signal(1, 2), KeyError("a defect"), asyncio.CancelledError()], ids=repr)
async def test_who_waits_for_one_that_left_without_a_record_says_nothing_of_its_own(error):
    visitors = Visitors(board({"a": "", "b": "a"}), raises={"a": error})
    await visitors.come("a", "b")
    await visitors.end("a")
    assert isinstance(visitors.outcome("b"), GraphInterrupt)
    assert visitors.outcome("b").args == ((),)


async def test_a_drain_from_inside_keeps_its_reason_for_those_who_wait():
    visitors = Visitors(board({"a": "", "b": "a"}), raises={"a": GraphDrained("the machine is going down")})
    await visitors.come("a", "b")
    await visitors.end("a")
    assert visitors.outcome("b").reason == "the machine is going down"


async def test_when_the_run_is_to_pause_who_runs_may_end_and_who_waits_leaves():
    draining: list[bool] = []
    visitors = Visitors(board({"a": "", "b": "a", "c": "", "d": "c"}, draining=lambda: bool(draining)))
    await visitors.come(*"abcd")
    draining.append(True)
    await visitors.end("a")
    assert visitors.outcome("a") == "settled"
    assert visitors.outcome("b").reason == "the run is being paused"
    assert visitors.outcome("d").reason == "the run is being paused"
    assert visitors.outcome("c") is None
    await visitors.end("c")
    assert visitors.outcome("c") == "settled"


async def test_who_comes_when_the_run_is_to_pause_is_turned_away():
    visitors = Visitors(board({"a": ""}, draining=lambda: True))
    await visitors.come("a")
    assert isinstance(visitors.outcome("a"), GraphDrained)


@pytest.mark.parametrize("cancelled", ["running", "queueing", "waiting"])
async def test_who_is_cancelled_gives_back_what_it_held_and_never_starts(cancelled):
    needs = {agent: {"gpu": 1} for agent in "abcd"}
    visitors = Visitors(board({"a": "", "b": "", "c": "", "d": "b"}, needs=needs, capacities={"gpu": 1}))
    await visitors.come(*"abcd")
    agent = {"running": "a", "queueing": "b", "waiting": "d"}[cancelled]
    visitors.tasks[agent].cancel()
    await rest()
    assert visitors.outcome(agent) == "cancelled"
    await visitors.end(*"abcd")
    assert (
        visitors.started
        == {"running": ["a", "b", "c", "d"], "queueing": ["a", "c"], "waiting": ["a", "b", "c"]}[cancelled]
    )
    assert isinstance(visitors.outcome("d"), GraphInterrupt) is (cancelled == "queueing")


async def test_who_is_cancelled_in_the_very_moment_of_its_call_gives_its_place_to_the_next():
    """The end of ``a`` calls ``b``, which is cancelled before it can take note of it."""
    visitors = Visitors(board({"a": "", "b": "", "c": ""}, max_parallel=1))
    async with visitors.board.turn("a"):
        await visitors.come("b", "c")
        visitors.board.settle("a", RECORD)
        visitors.tasks["b"].cancel()
    await rest()
    assert visitors.outcome("b") == "cancelled"
    assert visitors.started == ["c"]
    await visitors.leave()


async def test_who_is_turned_away_or_has_nothing_to_do_uses_up_nothing():
    needs = {agent: {"calls_per_hour": 1} for agent in "abcd"}
    visitors = Visitors(
        board({"a": "", "b": "a", "c": "", "d": ""}, needs=needs, capacities={"calls_per_hour": 2}),
        raises={"a": GraphInterrupt(())},
        has_work={"c": lambda: False},
    )
    await visitors.come(*"abc")
    await visitors.end("a", "c")
    await visitors.come("d")
    assert isinstance(visitors.outcome("b"), GraphInterrupt)
    assert visitors.started == ["a", "c", "d"]
    await visitors.leave()


def hastily(coroutine):
    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        return runner.run(coroutine)


def test_agents_wait_for_a_rate_and_no_longer():
    async def main():
        needs = {agent: {"calls_per_minute": 1} for agent in "abcde"}
        visited = board(dict.fromkeys("abcde", ""), needs=needs, capacities={"calls_per_minute": 2})
        starts = []

        async def visit(agent):
            async with visited.turn(agent):
                starts.append(asyncio.get_running_loop().time())
                visited.settle(agent, RECORD)

        await asyncio.gather(*map(visit, "abcde"))
        return starts

    assert hastily(main()) == pytest.approx([0, 0, 60, 60, 120])


def test_a_pause_is_noticed_soon_even_where_all_wait_for_a_rate():
    async def main():
        draining: list[bool] = []
        needs = {agent: {"calls_per_hour": 1} for agent in "ab"}
        visitors = Visitors(
            board({"a": "", "b": ""}, needs=needs, capacities={"calls_per_hour": 1}, draining=lambda: bool(draining))
        )
        await visitors.come("a", "b")
        await visitors.end("a")
        draining.append(True)
        await asyncio.wait([visitors.tasks["b"]])
        return visitors.outcome("b"), asyncio.get_running_loop().time()

    outcome, took = hastily(main())
    assert isinstance(outcome, GraphDrained)
    assert took <= LONGEST_NAP


@pytest.mark.parametrize("strategy", ["adaptive", "parallel"])
def test_a_whole_plan_keeps_to_its_rate(strategy):
    starts = []

    async def body(_):
        starts.append(asyncio.get_running_loop().time())
        return 1

    plan = planned(
        *(spec(name, resources={"requests_per_minute": 1}) for name in "abcde"),
        strategy=strategy,
        limits={"resources": {"requests_per_minute": 2}},
    )
    final = hastily(compile_plan(plan, dict.fromkeys("abcde", body)).ainvoke(INPUT))
    assert final["result"]["status"] == "completed"
    assert starts == pytest.approx([0, 0, 60, 60, 120], abs=0.1)
    assert plan.duration.predicted == 180
