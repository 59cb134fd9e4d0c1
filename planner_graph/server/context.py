"""What the routes of one server share, opened once and passed to all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

from planner_graph.clock import Clock, SystemClock
from planner_graph.mirror.feed import RunFeed
from planner_graph.planning.planner import MasterPlanner
from planner_graph.runtime.orchestrator import CampaignOrchestrator
from planner_graph.server.hosting import Agents, RunHost
from planner_graph.server.live import RunHub
from planner_graph.server.livelist import LiveList
from planner_graph.server.metrics import Metrics
from planner_graph.server.outlooks import Outlooks
from planner_graph.server.plans import Plans
from planner_graph.server.reports import Reports
from planner_graph.server.settings import ServerSettings
from planner_graph.server.snapshots import RunSnapshots
from planner_graph.store.audit import Actor
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import RunRow

WORKERS = 2
"""Threads for what would keep the event loop from answering: plans, pictures, forecasts."""

Parameters = ParamSpec("Parameters")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, kw_only=True)
class Context:
    """The database, what plans, what executes runs, what tells their events, what is known of them, and the clock.

    ``orchestrator`` accepts runs and answers; ``host`` executes them.
    """

    settings: ServerSettings
    database: Database
    repository: Repository
    planner: MasterPlanner
    orchestrator: CampaignOrchestrator
    host: RunHost
    feed: RunFeed
    hub: RunHub
    live_list: LiveList
    workers: Executor
    plans: Plans
    reports: Reports
    metrics: Metrics
    clock: Clock

    async def work(
        self, do: Callable[Parameters, ResultT], *args: Parameters.args, **options: Parameters.kwargs
    ) -> ResultT:
        """Have a thread do what would keep the event loop from answering, and give its result."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, partial(do, *args, **options))

    def stop_telling(self) -> None:
        """Let go of all who follow runs live; they are told to come back."""
        self.hub.close()
        self.live_list.close()


@asynccontextmanager
async def open_context(
    database: Database, planner: MasterPlanner, agents: Agents, settings: ServerSettings
) -> AsyncIterator[Context]:
    """Open all that the routes need; at the end the runs that are still executed are left, to be recovered.

    ``planner`` must know what the agents declare.

    Raises:
        DatabaseUnavailableError: the database cannot be reached.
    """
    repository, clock = Repository(database), SystemClock()
    host = RunHost(database, planner, agents, max_runs=settings.max_runs)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="server") as workers:
        plans = Plans(repository, workers)
        reports = Reports(repository, plans, Outlooks(workers), clock)
        async with RunFeed(database) as feed, host:
            if settings.recover:
                host.recover()
            yield Context(
                settings=settings,
                database=database,
                repository=repository,
                planner=planner,
                orchestrator=CampaignOrchestrator(database, agents.bodies, planner=planner),
                host=host,
                feed=feed,
                hub=RunHub(feed, RunSnapshots(reports, repository, host), settings),
                live_list=LiveList(feed, repository, host, settings),
                workers=workers,
                plans=plans,
                reports=reports,
                metrics=Metrics(host, repository),
                clock=clock,
            )


async def shared(connection: HTTPConnection) -> Context:
    """Give the context of the server that a request or a WebSocket came to."""
    context: Context = connection.app.state.context
    return context


Shared = Annotated[Context, Depends(shared)]
"""The context, as a parameter of a route."""


async def asking(connection: HTTPConnection) -> Actor:
    """Give who sent a request, as :class:`Access` found out."""
    actor: Actor = connection.state.actor
    return actor


Asking = Annotated[Actor, Depends(asking)]
"""Who asks, as a parameter of a route; only of one that needs a role."""

RunPath = Annotated[str, Path(description="The run's id, or its beginning: at least four hexadecimal digits.")]
"""The run that a path names."""


async def found(run: RunPath, context: Shared) -> RunRow:
    """Give the run that a path names.

    Raises:
        RunNotFoundError, AmbiguousRunError: there is no such run, or more than one.
    """
    return await context.repository.get_run(run)


FoundRun = Annotated[RunRow, Depends(found)]
"""The run that a path names, as a parameter of a route."""
