"""A process that executes runs and may be killed: forks one child for each order it is given, and that is all it does.

The modules are imported once, here, so that a new process costs milliseconds. Whatever goes wrong on purpose is put in
here, by replacing parts of the product within the child; the product has no hooks for it.
"""

import asyncio
import functools
import json
import logging
import os
import random
import signal
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from planner_graph import current_agent
from planner_graph.clock import SystemClock
from planner_graph.compiler.body import Body
from planner_graph.mirror import delivery, tables, writer
from planner_graph.mirror.delivery import Delivery
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.runtime import keeper
from planner_graph.runtime.brake import Brake, Grace
from planner_graph.runtime.execution import RunOutcome
from planner_graph.runtime.keeper import LeaseKeeper
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.runtime.recovery import Recovery, recover
from planner_graph.store import connection, control, leases, transitions
from planner_graph.store.commands import Command
from planner_graph.store.database import Database, open_database
from planner_graph.store.outages import Patience
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow
from planner_graph.store.saver import RunSaver
from planner_graph.types import RunId

LONGEST_ORDER = 1_000_000
AGENTS = [f"agent {number:02}" for number in range(24)]
"""Names of the agents there are; a run has some of the first."""

POINTS: dict[str, tuple[Any, str, str]] = {
    "before its lease is taken": (LeaseKeeper, "hold", "before"),
    "after its lease was taken": (LeaseKeeper, "hold", "after"),
    "before it is set running": (Repository, "start_run", "before"),
    "while it is set running": (transitions, "log", "before"),
    "after it was set running": (Repository, "start_run", "after"),
    "before a checkpoint": (RunSaver, "aput", "before"),
    "after a checkpoint": (RunSaver, "aput", "after"),
    "before a result lands": (RunSaver, "aput_writes", "before"),
    "after a result landed": (RunSaver, "aput_writes", "after"),
    "before the tables are written": (Delivery, "_write", "before"),
    "while the tables are written": (tables, "save", "after"),
    "after the tables were written": (Delivery, "_write", "after"),
    "before its end is stored": (Repository, "finish_run", "before"),
    "while its end is stored": (transitions, "finish", "after"),
    "after its end was stored": (Repository, "finish_run", "after"),
    "before its pause is stored": (Repository, "pause_run", "before"),
    "while its pause is stored": (transitions, "pause", "after"),
    "after its pause was stored": (Repository, "pause_run", "after"),
    "before its lease is given back": (LeaseKeeper, "let_go", "before"),
    "before a command is stored": (transitions, "lock", "before"),
    "while a command is stored": (control, "command", "after"),
    "after a command was stored": (Repository, "command", "after"),
}
"""Where a process can be killed: the function, and before or after the call; an agent's body has points of its own."""

IN_A_BODY = ("before an agent", "after its effect")


@dataclass(kw_only=True)
class Order:
    """What a child is to do.

    ``what``: ``execute``, ``take over``, ``recover``, ``pause``, ``cancel``. ``runs`` are executed at the same time.
    A body takes between the two ``seconds`` and appends a line to ``notes``, with its idempotency key. The child kills
    itself at the ``nth`` time it comes to ``point``. It begins at ``begin_at``, a Unix time. Its clock is
    ``clock_ahead`` seconds ahead, and that of its agents ``clock_jump`` seconds more from the middle of each body on.
    No body ends before the file ``gate`` is there.
    """

    dsn: str
    runs: list[str]
    notes: str
    what: str = "execute"
    seed: str = ""
    seconds: tuple[float, float] = (0.005, 0.04)
    point: str | None = None
    nth: int = 1
    begin_at: float = 0.0
    clock_ahead: float = 0.0
    clock_jump: float = 0.0
    durability: Any = "async"
    outage_seconds: float = 60.0
    lease_seconds: float = 15.0
    silence_seconds: float = 0.3
    beat_seconds: float = 0.1
    grace_seconds: float = 5.0
    flush_seconds: float = 30.0
    gate: str | None = None
    idle_seconds: float = 10.0

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "Order":
        given = json.loads(text)
        return cls(**{field.name: given[field.name] for field in fields(cls)})


class ShiftedClock(SystemClock):
    """A clock that is ahead of, or with negative seconds behind, that of the computer."""

    def __init__(self, seconds: float) -> None:
        self.ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Crew:
    """The bodies of a run: each gives one more than the highest number it gets, so its level in the plan."""

    def __init__(self, order: Order, run: RunId, clock: ShiftedClock, strike: Callable[[str], None]) -> None:
        self.order, self.run, self.clock, self.strike = order, run, clock, strike
        self.notes = os.open(order.notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def gate_is_shut(self) -> bool:
        return self.order.gate is not None and not Path(self.order.gate).exists()

    def body(self, agent: str) -> Callable[..., Any]:
        """Give the body of an agent; every third one is a plain function."""
        seconds = random.Random(f"{self.order.seed} {agent}").uniform(*self.order.seconds)  # noqa: S311  # seeded

        def begin() -> None:
            self.strike("before an agent")
            os.write(self.notes, f"{self.run} {agent} {current_agent().idempotency_key}\n".encode())
            self.strike("after its effect")

        async def work(inputs: dict[str, Any]) -> int:
            begin()
            await asyncio.sleep(seconds / 2)
            self.clock.ahead += timedelta(seconds=self.order.clock_jump)
            await asyncio.sleep(seconds / 2)
            while self.gate_is_shut():  # noqa: ASYNC110  # another process opens it
                await asyncio.sleep(0.01)
            return level(inputs)

        def work_in_a_thread(inputs: dict[str, Any]) -> int:
            begin()
            time.sleep(seconds)
            while self.gate_is_shut():
                time.sleep(0.01)
            return level(inputs)

        return work_in_a_thread if int(agent[-2:]) % 3 == 0 else work


def level(inputs: dict[str, Any]) -> int:
    """Give one more than the highest output of the agents before."""
    return 1 + max((value for value in inputs.values() if isinstance(value, int)), default=0)


async def carry_out(order: Order) -> dict[str, Any]:
    """Do what was ordered, and give what came of it, by run."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell_where_it_hangs)
    async with open_database(order.dsn) as database:
        os.write(1, b"begins\n")
        await asyncio.sleep(max(0.0, order.begin_at - time.time()))
        if order.what == "recover":
            found = await recover(database, lambda row: bodies(order, row))
            return {recovery.run_id: said_of(recovery) for recovery in found}
        results = await asyncio.gather(*(one(order, database, RunId(run)) for run in order.runs))
        return dict(zip(order.runs, results, strict=True))


def tell_where_it_hangs() -> None:
    """Log what each task waits for."""
    for task in asyncio.all_tasks():
        waiting: Any = task.get_coro()
        places = []
        while waiting is not None and (frame := getattr(waiting, "cr_frame", getattr(waiting, "ag_frame", None))):
            places.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}")
            waiting = getattr(waiting, "cr_await", getattr(waiting, "ag_await", None))
        logging.getLogger(__name__).error("%s: %s %s", task.get_name(), " > ".join(places), waiting)


def bodies(order: Order, row: RunRow) -> Mapping[str, Body]:
    """Give the bodies of a run, whatever its agents are called."""
    clock = ShiftedClock(order.clock_ahead)
    crew = Crew(order, row.run_id, clock, striker(order))
    return {agent: crew.body(agent) for agent in AGENTS}


async def one(order: Order, database: Database, run: RunId) -> Any:
    """Do it for one run."""
    try:
        if order.what in {"pause", "cancel"}:
            answer = await Repository(database).command(run, Command(order.what), by="chaos", reason="to see")
            return {"status": answer.status.value, "says": answer.says}
        return said_of_outcome(await execute(order, database, run))
    except Exception as error:  # noqa: BLE001  # told to the test, which knows what it expects
        return {"error": type(error).__name__, "says": str(error), "trace": traceback.format_exc()}


async def execute(order: Order, database: Database, run: RunId) -> RunOutcome:
    """Execute a run with a crew of its own."""
    clock = ShiftedClock(order.clock_ahead)
    strike = striker(order)
    crew = Crew(order, run, clock, strike)
    plan = await Patience().persist(lambda: Repository(database).load_plan(run))
    orchestrator = CampaignOrchestrator(
        database,
        {agent: crew.body(agent) for agent in plan.by_agent},
        clock=clock,
        durability=order.durability,
        outage_seconds=order.outage_seconds,
        mirror=MirrorSettings(flush_seconds=order.flush_seconds),
        grace=Grace(pause=order.grace_seconds, cancel=order.grace_seconds),
    )
    return await orchestrator.execute(run, take_over=order.what == "take over")


def said_of(recovery: Recovery) -> dict[str, Any]:
    """Say what came of going on with a run."""
    if recovery.outcome is not None:
        return said_of_outcome(recovery.outcome)
    return {"error": type(recovery.error).__name__, "says": str(recovery.error)}


def said_of_outcome(outcome: RunOutcome) -> dict[str, Any]:
    """Say where a run stands."""
    missing = {"told": outcome.mirror.told, "missing": outcome.mirror.missing, "problem": outcome.mirror.problem}
    return {"status": outcome.status.value, "says": outcome.reason, "mirror": missing}


def striker(order: Order) -> Callable[[str], None]:
    """Give what kills this process when it comes to the ordered point for the ordered time."""
    left = [order.nth]

    def strike(point: str) -> None:
        if point == order.point:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)  # in case it takes a moment

    return strike


def prepare(order: Order) -> None:
    """Change the product as ordered, within this process."""
    leases.LEASE_SECONDS, leases.SILENCE_SECONDS = order.lease_seconds, order.silence_seconds
    connection.IDLE_SECONDS = order.idle_seconds
    keeper.BEAT_SECONDS = order.beat_seconds
    setattr(Brake, "fail", telling(Brake.fail))  # noqa: B010  # no type checker likes it otherwise
    ahead = timedelta(seconds=order.clock_ahead)

    class ShiftedTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + ahead

    for module in (delivery, writer, leases):
        setattr(module, "datetime", ShiftedTime)  # noqa: B010  # what a module imports is not its to export
    if order.point in POINTS:
        owner, name, when = POINTS[order.point]
        setattr(owner, name, striking(getattr(owner, name), order.point, when, striker(order)))


def striking(function: Any, point: str, when: str, strike: Callable[[str], None]) -> Any:
    """Give an async function that is struck before or after it."""

    @functools.wraps(function)
    async def struck(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            strike(point)
        given = await function(*arguments, **options)
        if when == "after":
            strike(point)
        return given

    return struck


def telling(fail: Callable[[Brake, Exception], None]) -> Callable[[Brake, Exception], None]:
    """Give what also says when a run has given up on the database."""

    def told(brake: Brake, error: Exception) -> None:
        os.write(1, b"gives up\n")
        fail(brake, error)

    return told


def live(order: Order, out: int) -> None:
    """Be the child: say what came of the order on ``out``, and end."""
    os.dup2(out, 1)
    logging.basicConfig(filename=f"{order.notes}.log", level=logging.WARNING, format=f"{os.getpid()} %(message)s")
    prepare(order)
    said = asyncio.run(carry_out(order))
    os.write(1, f"{json.dumps(said)}\n".encode())


def main() -> None:
    """Fork a child for each order that comes in on standard input, a socket, with the file it is to write to."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: their output ends when they do
    channel = socket.socket(fileno=0)
    while True:
        order, descriptors, _, _ = socket.recv_fds(channel, LONGEST_ORDER, 1)
        if not order:
            return
        child = os.fork()
        if child == 0:
            code = 1
            try:
                channel.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                live(Order.read(order.decode()), descriptors[0])
                code = 0
            except KeyboardInterrupt:
                code = 2
            except BaseException:  # noqa: BLE001  # the last line of a process
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(code)
        os.close(descriptors[0])
        channel.send(f"{child}\n".encode())


if __name__ == "__main__":
    main()
