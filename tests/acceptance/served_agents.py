"""Agents for tests of the server; those with a gate wait while the file that SHUT names exists."""

import asyncio
import os
from pathlib import Path

from planner_graph import agent


def gate_is_shut():
    return Path(os.environ["SHUT"]).exists()


async def pass_gate():
    while gate_is_shut():  # noqa: ASYNC110  # another process opens the gate
        await asyncio.sleep(0.01)


@agent(outputs=["facts"], estimate_seconds=1)
async def digger(inputs):
    """Finds facts."""
    return {"facts": {"about": inputs["campaign"]["brief"], "count": 2}}


@agent(inputs=["facts"], outputs=["post"], estimate_seconds=2)
async def author(inputs):
    """Writes a post when the gate is open."""
    await pass_gate()
    return f"<p>{inputs['facts']['about']}</p>"


@agent(inputs=["facts"], outputs=["verdict"], estimate_seconds=1, approval="required")
async def judge(_):
    """Judges, if it may."""
    return "good"


@agent(outputs=["book"], estimate_seconds=1)
async def scribe(_):
    """Writes more than the tables show."""
    return "x" * 5_000


@agent(outputs=["film"], max_retries=0, estimate_seconds=1)
async def filmer(_):
    """Has no camera."""
    raise OSError("no camera")


agents = [digger, author, judge, scribe, filmer]
