"""The server's documentation names every route, every kind of problem and every figure, and no others."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from planner_graph.server.metrics import Metrics
from planner_graph.server.problems import KINDS, OF_ERRORS
from planner_graph.server.settings import PREFIX
from tests.application import operations

DOCS = (Path(__file__).parents[2] / "docs" / "server.md").read_text()


def rows(heading):
    """Give the first column of the table below a heading."""
    section = DOCS.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [row.split("|")[1:] for row in re.findall(r"^\| `.*$", section, re.MULTILINE)]


def test_the_docs_name_every_route_and_no_other():
    named = {tuple(name.split()) for row in rows("Routes") for name in re.findall(r"`(\w+ /\S+)`", row[0])}
    assert named == {(method, path.removeprefix(PREFIX)) for method, path in operations()}


def test_every_route_says_what_it_does():
    silent = [operation for operation, told in operations().items() if not told["summary"] or not told["description"]]
    assert silent == []


def test_the_docs_name_every_problem_with_its_status_and_no_other():
    named = {row[0].strip(" `"): int(row[1]) for row in rows("Problems")}
    assert named == {kind: status for kind, (status, _) in KINDS.items()}


def test_the_docs_name_what_else_a_problem_says():
    named = {row[0].strip(" `"): set(re.findall(r"`(\w+)`", row[3])) for row in rows("Problems")}
    silent = [(kind, set(members) - named[kind]) for _, kind, members in OF_ERRORS if set(members) - named[kind]]
    assert silent == []


def test_the_docs_name_every_figure_and_no_other():
    metrics = Metrics(None, None)  # type: ignore[arg-type]  # nothing is asked of them
    assert isinstance(metrics.registry, CollectorRegistry)
    assert {row[0].strip(" `") for row in rows("Figures")} == {metric.name for metric in metrics.registry.collect()}
