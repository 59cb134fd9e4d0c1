"""How long the chaos goes on, from which seed, and what it counted.

``PLANNER_GRAPH_CHAOS=long`` asks for many more runs (``make chaos``); ``PLANNER_GRAPH_CHAOS_SEED`` repeats the plans
and the moments of an earlier session, whose seed the end of its report names.
"""

import os
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from planner_graph.store.database import open_database
from tests.chaos.arena import Arena, Factory
from tests.chaos_report import SEED

LONG = os.environ.get("PLANNER_GRAPH_CHAOS") == "long"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(4 * 3600 if LONG else 300))


@pytest.fixture(scope="session")
def factory() -> Iterator[Factory]:
    made = Factory()
    yield made
    made.close()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance that is the same in each session of one seed, whatever tests run beside."""
    return random.Random(f"{os.environ[SEED]} {request.node.name}")  # noqa: S311  # nothing secret


@pytest.fixture
async def arena(dsn: str, factory: Factory, tmp_path: Path, chance: random.Random) -> AsyncIterator[Arena]:
    async with open_database(dsn) as database:
        made = Arena(database=database, dsn=dsn, folder=tmp_path, factory=factory, random=chance)
        yield made
        made.clean_up()
