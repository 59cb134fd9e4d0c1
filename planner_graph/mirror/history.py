"""What past runs tell about each agent: how often it succeeds, how long it takes and waits, what it uses.

Read from the tables that the mirror writes. The queries give the executions to look at; what they add up to is worked
out here, by :func:`sum_up`.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from psycopg.rows import DictRow

from planner_graph.catalog.catalog import Catalog
from planner_graph.compiler.body import Body
from planner_graph.compiler.identity import works_of
from planner_graph.compiler.usage import DIGITS
from planner_graph.mirror.usage import counts
from planner_graph.planning.estimates import MIN_RUNS, Estimator, HistoricalEstimates
from planner_graph.store.database import Database
from planner_graph.store.queries import query
from planner_graph.types import AgentName, AgentStatus, RunId

LAST_RUNS = 100
"""How many of an agent's latest runs its figures are taken from, unless a setting says otherwise."""

LAST_FOR_ESTIMATES = 50
"""How many of an agent's latest successful runs an estimate is taken from: enough for a spread, all recent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PastExecution:
    """An agent's part in one run, which came to an end of its own: ``status`` is ``completed`` or ``failed``.

    It lasts from the start of its first attempt to the end of its last one, with all waiting between them. What was
    cut off before, by a pause or a crash, is not part of it. ``queue_seconds`` is how long the agent waited after the
    last agent it depends on had ended, or after the start of the run if it depends on none. ``error`` is that of its
    latest failed attempt, which a retry may have made up for. ``work`` is the key of what did the work, ``None`` if
    that is not known; see :mod:`~planner_graph.compiler.identity`.
    """

    agent: AgentName
    run_id: RunId
    status: AgentStatus
    attempts: int
    started_at: datetime
    ended_at: datetime
    queue_seconds: float | None
    error: Mapping[str, Any] | None
    usage: Mapping[str, Any] | None
    work: str | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def succeeded(self) -> bool:
        """Whether the agent completed."""
        return self.status is AgentStatus.COMPLETED

    @classmethod
    def of(cls, row: DictRow) -> Self:
        """Make it of a row of the query ``list_executions``."""
        return cls(
            agent=AgentName(row["agent_name"]),
            run_id=RunId(str(row["workflow_execution_id"])),
            status=AgentStatus(row["status"]),
            attempts=row["attempts"],
            started_at=row["started_at"].astimezone(UTC),
            ended_at=row["ended_at"].astimezone(UTC),
            queue_seconds=row["queue_seconds"],
            error=row["error"],
            usage=row["usage"],
            work=row["work"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Median and P90 of a number of seconds."""

    median: float
    p90: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self | None:
        """Give those of ``values``, ``None`` if there are none."""
        ordered = sorted(values)
        if not ordered:
            return None
        p90 = statistics.quantiles(ordered, n=10, method="inclusive")[-1] if len(ordered) > 1 else ordered[0]
        return cls(median=round(statistics.median(ordered), 6), p90=round(p90, 6))


@dataclass(frozen=True, kw_only=True, slots=True)
class PastUsage:
    """What all runs of an agent that called models used together; ``runs`` counts those.

    ``cost_usd`` is what is known of the cost: that of the ``priced_runs``, ``None`` if there is none of them.
    """

    runs: int
    calls: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    priced_runs: int
    cost_usd: float | None

    @property
    def mean_tokens(self) -> float:
        """Tokens of one run, on average."""
        return self.total_tokens / self.runs

    @property
    def mean_cost_usd(self) -> float | None:
        """Cost of one run in USD, on average."""
        return None if self.cost_usd is None else self.cost_usd / self.priced_runs

    @classmethod
    def of(cls, usages: Iterable[Mapping[str, Any] | None]) -> Self | None:
        """Add up the usage of several runs; ``None`` if none of them called a model."""
        known = [usage for usage in usages if usage is not None]
        if not known:
            return None
        costs = [float(usage["cost_usd"]) for usage in known if usage.get("cost_usd") is not None]
        return cls(
            runs=len(known),
            **counts(known),
            priced_runs=len(costs),
            cost_usd=round(math.fsum(costs), DIGITS) if costs else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentPerformance:
    """How an agent did in its latest runs with the same outputs and the same code, of which ``work`` is the key.

    ``runs`` counts those in which it completed or failed, ``succeeded`` those in which it completed, ``skipped`` those
    of the same time in which it ended without ever starting. ``duration`` is that of successful runs, ``queue_wait``
    that of all. What nothing is known of is ``None``. ``latest_failure`` is the latest run in which an attempt failed.
    """

    agent: AgentName
    runs: int
    succeeded: int
    skipped: int
    mean_attempts: float | None
    most_attempts: int | None
    duration: Spread | None
    queue_wait: Spread | None
    usage: PastUsage | None
    last_run_at: datetime | None
    latest_failure: PastExecution | None
    work: str | None = None

    @property
    def success_rate(self) -> float | None:
        """Share of its runs in which the agent completed, from 0 to 1."""
        return self.succeeded / self.runs if self.runs else None


def sum_up(
    agent: AgentName, executions: Sequence[PastExecution], skipped: int = 0, work: str | None = None
) -> AgentPerformance:
    """Work out how ``agent`` did in ``executions``, which are all its own, latest first."""
    attempts = [execution.attempts for execution in executions]
    successful = [execution for execution in executions if execution.succeeded]
    waits = [execution.queue_seconds for execution in executions if execution.queue_seconds is not None]
    return AgentPerformance(
        agent=agent,
        runs=len(executions),
        succeeded=len(successful),
        skipped=skipped,
        mean_attempts=statistics.fmean(attempts) if attempts else None,
        most_attempts=max(attempts, default=None),
        duration=Spread.of(execution.seconds for execution in successful),
        queue_wait=Spread.of(waits),
        usage=PastUsage.of(execution.usage for execution in executions),
        last_run_at=max((execution.ended_at for execution in executions), default=None),
        latest_failure=next((execution for execution in executions if execution.error is not None), None),
        work=work,
    )


def _by_work(
    agent: AgentName, executions: Sequence[PastExecution], skipped: Mapping[str | None, int]
) -> Iterator[AgentPerformance]:
    """Sum an agent up once for each work that it did, the latest first; ``skipped`` are numbers of runs by work."""
    works = dict.fromkeys([*(one.work for one in executions), *skipped])
    for work in works or [None]:
        yield sum_up(agent, [one for one in executions if one.work == work], skipped.get(work, 0), work)


class PerformanceTracker:
    """Reads how agents did in the runs of a database.

    It looks at the ``last`` runs of each agent, so that what it reads and how long that takes does not grow with the
    database.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    async def agents(self) -> list[AgentName]:
        """Give all agents that any run in the database has heard the end of, sorted."""
        rows = await self._fetch("list_known_agents", {})
        return sorted(AgentName(row["agent_name"]) for row in rows)

    async def performance(self, agent: str | None = None, *, last: int = LAST_RUNS) -> list[AgentPerformance]:
        """Give how each agent did, sorted by name; with ``agent``, only that one, or nothing if it is not known.

        An agent whose runs were the work of several bodies, or gave different outputs, is there once for each of them,
        the one that ran last first.
        """
        known = await self.agents()
        wanted = known if agent is None else [name for name in known if name == agent]
        executions = await self._executions(dict.fromkeys(wanted), last)
        since = [executions[name][-1].started_at if len(executions[name]) == last else None for name in wanted]
        skips: dict[AgentName, dict[str | None, int]] = {name: {} for name in wanted}
        for row in await self._fetch("count_never_started", {"agents": wanted, "since": since}):
            skips[row["agent_name"]][row["work"]] = row["runs"]
        return [one for name in wanted for one in _by_work(name, executions[name], skips[name])]

    async def executions(self, agent: str, *, last: int = LAST_RUNS) -> list[PastExecution]:
        """Give the latest runs of one agent that came to an end of their own, latest first."""
        name = AgentName(agent)
        return (await self._executions({name: None}, last))[name]

    async def estimates(
        self,
        *,
        min_runs: int = MIN_RUNS,
        last: int = LAST_FOR_ESTIMATES,
        otherwise: Estimator | None = None,
        works: Mapping[AgentName, str] | None = None,
    ) -> HistoricalEstimates:
        """Give an estimator from the ``last`` successful runs of each agent, for ``MasterPlanner(estimator=...)``.

        ``works`` says by its key what does the work of each agent: only runs of the same work count, and agents without
        one are not estimated; :func:`estimates_of` finds them out. Without ``works``, all runs under an agent's name
        count, whatever code did them. An agent with fewer than ``min_runs`` runs is estimated by ``otherwise``, by
        default as the catalog declares.
        """
        agents = await self.agents()
        wanted = dict.fromkeys(agents) if works is None else {name: works[name] for name in agents if name in works}
        executions = await self._executions(wanted, last, [AgentStatus.COMPLETED])
        durations = {name: [execution.seconds for execution in executions[name]] for name in wanted}
        return HistoricalEstimates(durations, min_runs=min_runs, otherwise=otherwise)

    async def _executions(
        self,
        agents: Mapping[AgentName, str | None],
        last: int,
        statuses: Sequence[AgentStatus] = (AgentStatus.COMPLETED, AgentStatus.FAILED),
    ) -> dict[AgentName, list[PastExecution]]:
        """Give the latest executions of each agent that ended in one of these ways, latest first.

        ``agents`` maps their names to the key of the work that counts, or to ``None`` if all does.
        """
        if last < 1:
            raise ValueError(f"last is {last!r}; look at one run at least")
        values = {
            "agents": list(agents),
            "works": list(agents.values()),
            "statuses": [status.value for status in statuses],
            "last": last,
        }
        found: dict[AgentName, list[PastExecution]] = {name: [] for name in agents}
        for row in await self._fetch("list_executions", values):
            found[row["agent_name"]].append(PastExecution.of(row))
        return found

    async def _fetch(self, name: str, values: Mapping[str, Any]) -> list[DictRow]:
        async with self.database.pool.connection() as conn:
            cursor = await conn.execute(query(name), values)
            return await cursor.fetchall()


async def estimates_of(
    tracker: PerformanceTracker,
    catalog: Catalog,
    bodies: Mapping[str, Body],
    *,
    min_runs: int = MIN_RUNS,
    otherwise: Estimator | None = None,
) -> HistoricalEstimates:
    """Give an estimator of the agents of a catalog from past runs of these very bodies, giving the same outputs.

    Agents without a body are estimated by ``otherwise``: what ran under their names may be other code.
    """
    known = await tracker.agents()
    outputs = {name: catalog.agents[name].outputs for name in known if name in catalog.agents}
    return await tracker.estimates(min_runs=min_runs, otherwise=otherwise, works=works_of(outputs, bodies))
