"""Agents for tests of the command.

They note each call in the file that CALLS names; those with a gate wait for the file that GATE names to exist.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from langchain_core.runnables import RunnableLambda

from planner_graph import agent

sys.stdout.write("the workshop opens\n")


def note(name: str) -> None:
    if "CALLS" in os.environ:
        with Path(os.environ["CALLS"]).open("a", encoding="utf-8") as calls:
            calls.write(f"{name}\n")


def gate_is_shut() -> bool:
    return "GATE" in os.environ and not Path(os.environ["GATE"]).exists()


@agent(outputs=["facts"], estimate_seconds=1)
async def digger(inputs):
    """Finds facts."""
    note("digger")
    sys.stdout.write("a word from the digger\n")
    return {"facts": {"about": inputs["campaign"]["brief"], "count": 2}}


@agent(inputs=["facts"], outputs=["post.html"], estimate_seconds=2)
async def author(inputs):
    """Writes a post, when the gate is open."""
    note("author")
    while gate_is_shut():  # noqa: ASYNC110  # another process opens the gate
        await asyncio.sleep(0.01)
    return f"<p>{inputs['facts']['about']}</p>"


@agent(inputs=["facts"], outputs=["summary"], estimate_seconds=2)
def summarist(inputs):
    """Sums up in a plain function, when the gate is open."""
    note("summarist")
    while gate_is_shut():
        time.sleep(0.01)
    return f"{inputs['facts']['count']} facts"


@agent(outputs=["header.png"], estimate_seconds=1)
def painter(_):
    """Paints a header."""
    note("painter")
    return "data:image/png;base64,iVBORw0KGgo="


@agent(outputs=["film"], max_retries=1, backoff={"initial_seconds": 0}, estimate_seconds=1)
async def filmer(_):
    """Has no camera."""
    note("filmer")
    raise OSError("no camera\x1b[2J")


@agent(inputs=["film"], outputs=["trailer"], estimate_seconds=1)
async def cutter(_):
    """Cuts a film, which there never is."""
    note("cutter")
    return "trailer"


@agent(outputs=["impossible"], max_retries=0)
async def dreamer(_):
    """Gives something that is no JSON."""
    return {"impossible": object()}


agents = [digger, author, summarist, painter, filmer, cutter, dreamer]


def wait_in_a_runnable(_):
    note("crooner")
    while gate_is_shut():
        time.sleep(0.01)
    return "song"


runnables = {"crooner": RunnableLambda(wait_in_a_runnable), "digger": digger}
nothing = 42
