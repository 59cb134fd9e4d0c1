"""How long the chaos goes on, from which seed, and what it counted.

``PLANNER_GRAPH_CHAOS=long`` asks for many more runs (``make chaos``); ``PLANNER_GRAPH_CHAOS_SEED`` repeats the plans
and the moments of an earlier session, whose seed the end of its report names.
"""

import os
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from planner_graph.store.database import open_database
from tests.chaos.arena import Arena, Factory

LONG = os.environ.get("PLANNER_GRAPH_CHAOS") == "long"
SEED = os.environ.get("PLANNER_GRAPH_CHAOS_SEED") or secrets.token_hex(4)
COUNTED = pytest.StashKey[list[str]]()

Tell = Callable[[str], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(4 * 3600 if LONG else 300))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counted = config.stash.get(COUNTED, [])
    if counted:
        terminalreporter.section(f"chaos, seed {SEED}")
        for line in sorted(counted):
            terminalreporter.write_line(line)


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Tell:
    """Say something in the summary at the end."""
    return pytestconfig.stash.setdefault(COUNTED, []).append


@pytest.fixture(scope="session")
def factory() -> Iterator[Factory]:
    made = Factory()
    yield made
    made.close()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance that is the same in each session of one seed, whatever tests run beside."""
    return random.Random(f"{SEED} {request.node.name}")  # noqa: S311  # nothing secret


@pytest.fixture
async def arena(dsn: str, factory: Factory, tmp_path: Path, chance: random.Random) -> AsyncIterator[Arena]:
    async with open_database(dsn) as database:
        made = Arena(database=database, dsn=dsn, folder=tmp_path, factory=factory, random=chance)
        yield made
        made.clean_up()
