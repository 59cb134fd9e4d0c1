"""Figures of a server for Prometheus, in a registry of its own."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planner_graph.server.hosting import RunHost
from planner_graph.store.repository import Repository
from planner_graph.types import RunStatus

CONTENT_TYPE = CONTENT_TYPE_LATEST

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the histogram of durations, in seconds."""

OPEN = tuple(status for status in RunStatus if not status.ended)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """What is counted, and what is asked of the host and the database when somebody reads the figures."""

    def __init__(self, host: RunHost, repository: Repository) -> None:
        self._host = host
        self._repository = repository
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "planner_graph_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.durations = Histogram(
            "planner_graph_http_request_duration_seconds",
            "How long answers took until they were sent.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._runs = Gauge(
            "planner_graph_runs", "Runs in the database that have not ended.", ("status",), registry=self.registry
        )
        self._hosted = Gauge(
            "planner_graph_hosted_runs", "Runs that this server executes.", ("state",), registry=self.registry
        )

    async def exposition(self) -> bytes:
        """Give all figures in Prometheus' text format."""
        counts = await self._repository.count_open_runs()
        for status in OPEN:
            self._runs.labels(status.value).set(counts.get(status, 0))
        self._hosted.labels("executing").set(self._host.executing)
        self._hosted.labels("waiting").set(self._host.waiting)
        return generate_latest(self.registry)

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer; paths that belong to no route are counted together."""
        route = getattr(scope.get("route"), "path", None) or "none"
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.durations.labels(method, route).observe(seconds)


class Measured:
    """Middleware that counts requests and measures how long they take."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._metrics.count(scope, status, time.perf_counter() - began)
