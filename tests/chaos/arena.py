"""Where runs are put through what may happen to them: processes execute them, and what comes of it is judged."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planner_graph.planning.plan import ExecutionPlan
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.types import RunId
from tests.chaos.driver import Order
from tests.equality import Run, differences
from tests.mirrors import accept
from tests.plans import make_plan

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 120.0
"""After so long a run counts as stuck; on a busy computer that takes long."""

LONGEST_REPORT = 2**24
"""Bytes; it says of each run how it ended, and if that was badly, why."""


class Factory:
    """Makes processes; see :mod:`tests.chaos.driver`."""

    def __init__(self) -> None:
        self.channel, end = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.driver"],
            cwd=ROOT,
            stdin=end.fileno(),
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        end.close()

    def make(self, order: Order) -> "Child":
        out, into = os.pipe()
        socket.send_fds(self.channel, [order.as_json().encode()], [into])
        os.close(into)
        return Child(int(self.channel.recv(100)), out)

    def close(self) -> None:
        self.channel.close()
        self._process.wait(timeout=LONGEST_SECONDS)


class Child:
    """A process that carries out an order."""

    def __init__(self, pid: int, out: int) -> None:
        self.pid = pid
        self._out = os.fdopen(out, "rb")
        self._reader: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._ended = False

    async def line(self) -> str:
        """Give the next line it says, nothing at its end."""
        if self._reader is None:
            self._reader = asyncio.StreamReader(limit=LONGEST_REPORT)
            reader = self._reader
            self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), self._out
            )
        said = (await self._reader.readline()).decode()
        if not said:
            self._ended = True
            self.close()
        return said

    async def begun(self) -> None:
        """Return when it has opened the database."""
        assert await self.line() == "begins\n"

    async def gives_up(self) -> None:
        """Return when one of its runs has waited long enough for the database."""
        async with asyncio.timeout(LONGEST_SECONDS):
            while (said := await self.line()) != "gives up\n":
                assert said, "it has ended"

    async def report(self) -> dict[str, Any] | None:
        """Give what it said last, by run, once it has ended; ``None`` if it was killed."""
        try:
            return await self._last(LONGEST_SECONDS)
        except TimeoutError:
            self.signal(signal.SIGUSR1)
            await asyncio.sleep(0.5)  # it writes to its log where it hangs
            raise

    async def ended_within(self, seconds: float) -> bool:
        """Wait for it to end, but not for longer."""
        with suppress(TimeoutError):
            await self._last(seconds)
        return self._ended

    async def _last(self, seconds: float) -> dict[str, Any] | None:
        last = ""
        async with asyncio.timeout(seconds):
            while said := await self.line():
                last = said
        return json.loads(last) if last.startswith("{") else None

    async def kill(self) -> None:
        """Kill it, and return when it is gone."""
        self.signal(signal.SIGKILL)
        await self.report()

    def close(self) -> None:
        """Hear it no more."""
        if self._transport is not None:
            self._transport.close()
        else:
            self._out.close()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass(kw_only=True)
class Arena:
    """A database, and a folder for what the bodies note."""

    database: Database
    dsn: str
    folder: Path
    factory: Factory
    random: random.Random
    children: list[Child] = field(default_factory=list)

    async def accept(self, *, fewest: int = 8, most: int = 24, strategy: str | None = None) -> RunId:
        """Accept a run of a random plan."""
        names = [f"agent {number:02}" for number in range(self.random.randint(fewest, most))]
        dependencies = {
            name: sorted(self.random.sample(names[:place], self.random.randint(0, min(place, 3))))
            for place, name in enumerate(names)
        }
        chosen = strategy or self.random.choice(["adaptive", "adaptive", "parallel", "sequential"])
        return await accept(self.database, make_plan(dependencies, strategy=chosen))

    def order(self, runs: Sequence[RunId] | RunId, **given: Any) -> Child:
        """Have a process do something; see :class:`Order`."""
        chosen = [runs] if isinstance(runs, str) else list(runs)
        notes = str(self.folder / f"{chosen[0] if len(chosen) == 1 else 'many'}.notes")
        child = self.factory.make(
            Order(**{"dsn": self.dsn, "runs": chosen, "notes": notes, "seed": "".join(chosen[:1]), **given})
        )
        self.children.append(child)
        return child

    async def settle(self, run: RunId, **given: Any) -> dict[str, Any]:
        """Execute a run until it ends; a process that has just died may hold it for a moment."""
        until = time.monotonic() + LONGEST_SECONDS
        while True:
            report = await self.order(run, **given).report()
            assert report is not None
            if report[run].get("error") != "RunHeldError":
                return dict(report[run])
            assert time.monotonic() < until, f"stuck: {report[run]}"

    async def recover(self, **given: Any) -> dict[str, Any]:
        """Go on with what was left behind, and give what came of it by run; the last process may just have died."""
        async with asyncio.timeout(LONGEST_SECONDS):
            while not await self.left_behind():  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.1)
        report = await self.order([], what="recover", **given).report()
        assert report is not None
        return report

    async def left_behind(self) -> list[RunId]:
        """Give the runs that nobody executes though they are to go on."""
        return await Repository(self.database).left_behind()

    def gate(self, run: RunId) -> str:
        """Name a file that the bodies of a run can be told to wait for; see :class:`Order`."""
        return str(self.folder / f"{run}.gate")

    def open_gate(self, run: RunId) -> None:
        """Let the bodies of a run end."""
        Path(self.gate(run)).touch()

    async def lapsed(self, run: RunId) -> None:
        """Return when the lease of a run has run out, by the clock of the database."""
        async with asyncio.timeout(LONGEST_SECONDS), self.database.pool.connection() as conn:
            query = "SELECT 1 FROM run_leases WHERE workflow_execution_id = %s AND expires_at > clock_timestamp()"
            while await (await conn.execute(query, [run])).fetchone():  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.02)

    async def running(self, run: RunId) -> None:
        """Return when the bodies of a run have begun to run."""
        async with asyncio.timeout(LONGEST_SECONDS):
            while not self.executions(run):  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.005)

    def executions(self, run: RunId) -> Counter[str]:
        """Count how often the body of each agent began."""
        return Counter(agent for agent, _ in self._notes(run))

    def _notes(self, run: RunId) -> list[tuple[str, str]]:
        """Give what the bodies noted, in the order of each file: agent and idempotency key."""
        found = []
        for notes in self.folder.glob("*.notes"):
            for line in notes.read_text().splitlines():
                of, _, rest = line.partition(" ")
                agent, _, key = rest.rpartition(" ")
                if of == run:
                    found.append((agent, key))
        return found

    async def everything(self, run: RunId) -> dict[str, Any]:
        """Give all that is stored of a run, but for who holds it."""
        found: dict[str, Any] = {}
        async with self.database.pool.connection() as conn:
            for table in ("execution_plans", "workflow_state_live", "agent_runs", "run_events"):
                query = f"SELECT to_jsonb(t) AS row FROM {table} t WHERE workflow_execution_id = %s ORDER BY 1"  # noqa: S608
                found[table] = await (await conn.execute(query.encode(), [run])).fetchall()
            thread = found["execution_plans"][0]["row"]["thread_id"]
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
                query = f"SELECT to_jsonb(t) AS row FROM {table} t WHERE thread_id = %s ORDER BY 1"  # noqa: S608
                found[table] = await (await conn.execute(query.encode(), [thread])).fetchall()
        return found

    async def plan(self, run: RunId) -> ExecutionPlan:
        return await Repository(self.database).load_plan(run)

    async def stored(self, run: RunId) -> dict[str, int]:
        """Give the agents whose result is stored, with how often each has run: none of them may run again."""
        executed = self.executions(run)
        return {agent: executed[agent] for agent in (await Run.read(self.database, run)).records}

    def check_not_repeated(self, run: RunId, stored: Mapping[str, int]) -> None:
        """Fail if an agent ran again whose result was stored; ``stored`` is what :meth:`stored` gave after a stop."""
        executed = self.executions(run)
        assert {agent: executed[agent] for agent in stored} == stored

    async def status(self, run: RunId) -> str:
        return (await Repository(self.database).get_run(run)).status.value

    async def check(self, run: RunId, *, clocks_agree: bool = True) -> int:
        """Fail unless a run completed as promised; gives how many executions were repeated."""
        row = await Repository(self.database).get_run(run)
        assert row.status.value == "completed", (row.status, row.status_reason)
        found = await differences(self.database, run)
        if not clocks_agree:  # in the tables nothing ends before it starts
            found = [difference for difference in found if ": ended at " not in difference]
        assert not found, found
        plan = await Repository(self.database).load_plan(run)
        state = await Run.read(self.database, run)
        assert sorted(state.records) == sorted(plan.by_agent)
        completed = {
            agent: [row for row in state.rows(agent) if row["status"] == "completed"] for agent in plan.by_agent
        }
        assert {agent: len(rows) for agent, rows in completed.items()} == dict.fromkeys(plan.by_agent, 1)
        for step in plan.steps:
            before = [state.records[agent]["output"][agent] for agent in step.waits_for]
            assert state.records[step.agent]["output"] == {step.agent: 1 + max(before, default=0)}
            if clocks_agree:
                for agent in step.waits_for:
                    assert completed[agent][0]["ended_at"] <= completed[step.agent][0]["started_at"], (
                        agent,
                        step.agent,
                    )
        executed, keys = self.executions(run), set(self._notes(run))
        assert sorted(executed) == sorted(plan.by_agent)
        assert len(keys) == len({key for _, key in keys}) == len(executed)  # one for each agent, whoever executed it
        return executed.total() - len(plan.by_agent)

    def clean_up(self) -> None:
        """Kill what is left."""
        for child in self.children:
            child.signal(signal.SIGKILL)
            child.close()
