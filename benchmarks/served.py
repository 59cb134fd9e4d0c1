"""A database full of runs, and a server in a process of its own, to measure with."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.graphs import Graph, layered
from planner_graph import AgentFactory, agent, open_database
from planner_graph.campaign import Campaign
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.types import RunId

COMMAND = "from planner_graph.cli.app import main; main()"

RUNNING = 50
"""How many of the runs are running."""

FILL = """
    INSERT INTO agent_runs (workflow_execution_id, agent_name, execution, attempt, status, started_at, ended_at)
    SELECT %(run_id)s, agent, 1, 1, CASE WHEN place <= %(over)s THEN 'completed' ELSE 'running' END,
        %(at)s + place * INTERVAL '2 seconds',
        CASE WHEN place <= %(over)s THEN %(at)s + (place + 1) * INTERVAL '2 seconds' END
    FROM unnest(%(agents)s::TEXT[]) WITH ORDINALITY AS a(agent, place) WHERE place <= %(begun)s
"""
STATE = """
    UPDATE workflow_state_live SET completed_agents = (%(agents)s::TEXT[])[1:%(over)s],
        current_agents_running = (%(agents)s::TEXT[])[%(over)s + 1:%(begun)s],
        waiting_agents = (%(agents)s::TEXT[])[%(begun)s + 1:]
    WHERE workflow_execution_id = %(run_id)s
"""
PLAN = """
    UPDATE execution_plans
    SET status = %(status)s, started_at = %(at)s, ended_at = %(ended)s,
        completed_agents = (%(agents)s::TEXT[])[1:%(over)s]
    WHERE workflow_execution_id = %(run_id)s
"""


@asynccontextmanager
async def scratch(database: Database) -> AsyncIterator[Database]:
    """Give a new database on the same server, which is removed afterwards."""
    name = f"benchmark_{uuid.uuid4().hex[:12]}"
    async with database.pool.connection() as conn:
        await conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    async with open_database(make_conninfo(database.conninfo, dbname=name)) as opened:
        yield opened
    async with database.pool.connection() as conn:
        await conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def graph() -> Graph:
    """Give 24 agents in six layers that take half a second each."""
    shape = layered(6, 4)
    return Graph(name="24 agents", before=shape.before, seconds=dict.fromkeys(shape.before, 0.5))


async def fill(database: Database, count: int) -> list[str]:
    """Store so many runs of 24 agents: most have ended, some are running, at different places; gives their ids."""
    repository, shape = Repository(database), graph()
    plans = [layered(6, 4, seed=seed).plan() for seed in range(20)]
    runs: list[str] = []
    for number in range(count):
        run_id, plan = RunId(str(uuid.uuid4())), plans[number % len(plans)]
        await repository.accept_run(run_id, Campaign(id=f"campaign-{number % 50}"), plan)
        running = number % max(count // RUNNING, 1) == 0
        over = number % 20 if running else len(shape.before)
        start = datetime.now(UTC) - timedelta(seconds=2 * over + 1)
        values = {
            "run_id": run_id,
            "agents": [step.agent for step in plan.steps],
            "over": over,
            "begun": over + 3,
            "at": start,
            "status": "running" if running else "completed",
            "ended": None if running else datetime.now(UTC),
        }
        async with database.pool.connection() as conn, conn.transaction():
            for statement in (FILL, STATE, PLAN):
                await conn.execute(statement, values)
        runs.append(run_id)
    return runs


def _body(task: str, others: list[str], seconds: float) -> Any:
    async def body(_: Any) -> str:
        await asyncio.sleep(seconds)
        return "x" * 200

    body.__doc__ = f"Takes {seconds} s."
    return agent(name=task, inputs=others, outputs=[task], estimate_seconds=seconds)(body)


_SHAPE = graph()
agents = AgentFactory.of(*(_body(task, others, _SHAPE.seconds[task]) for task, others in _SHAPE.before.items()))
"""The agents that the server executes."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers."""

    host: str
    port: int
    pid: int

    @property
    def busy(self) -> float:
        """For how many seconds it has kept a processor busy."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> float:
        """How much memory it holds, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1_000


@asynccontextmanager
async def served(database: Database) -> AsyncIterator[Server]:
    """Serve a database from a process of its own."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(  # noqa: ASYNC220, S603  # it starts once
            [
                sys.executable,
                "-c",
                COMMAND,
                "serve",
                "--port",
                "0",
                "--dsn",
                database.conninfo,
                "--no-recover",
                "--agents",
                "benchmarks.served:agents",
            ],
            stderr=log,
            stdout=log,
        )
        try:
            port = await _port(process, log)
            yield Server(host="127.0.0.1", port=port, pid=process.pid)
        finally:
            process.terminate()
            process.wait()


async def _port(process: "subprocess.Popen[bytes]", log: Any) -> int:
    """Wait until the server says where it listens."""
    while process.poll() is None:
        log.seek(0)
        found = re.search(r"http://127\.0\.0\.1:(\d+)", log.read())
        if found:
            return int(found[1])
        await asyncio.sleep(0.05)
    log.seek(0)
    raise RuntimeError(log.read())
