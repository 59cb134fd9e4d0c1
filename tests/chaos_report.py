"""What the chaos tests counted, at the end of the report; also where tests run in several processes.

``PLANNER_GRAPH_CHAOS_SEED`` repeats the plans and the moments of an earlier session, whose seed the report names.
"""

import os
import secrets
from collections.abc import Callable
from typing import Any

import pytest

SEED = "PLANNER_GRAPH_CHAOS_SEED"
"""Variable of the environment that all processes of a session share."""

COUNTED = pytest.StashKey[list[str]]()
OF_A_WORKER = "chaos"

Tell = Callable[[str], None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTED] = []
    os.environ.setdefault(SEED, secrets.token_hex(4))


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[OF_A_WORKER] = session.config.stash[COUNTED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[COUNTED] += getattr(node, "workeroutput", {}).get(OF_A_WORKER, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counted = config.stash[COUNTED]
    if counted:
        terminalreporter.section(f"chaos, seed {os.environ[SEED]}")
        for line in sorted(counted):
            terminalreporter.write_line(line)


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Tell:
    """Say something in the summary at the end."""
    return pytestconfig.stash[COUNTED].append
