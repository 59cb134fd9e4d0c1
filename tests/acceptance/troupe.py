"""Agents for tests of the dashboard.

Those with a gate wait for a file in the folder that GATES names: the campaign's brief, a dot, and the agent's name. So
each run of one server has gates of its own.
"""

import asyncio
import os
from pathlib import Path

from langgraph.types import interrupt

from planner_graph import agent


async def gate(inputs, name):
    path = Path(os.environ["GATES"]) / f"{inputs['campaign']['brief']}.{name}"
    while not path.exists():  # noqa: ASYNC110  # another process opens the gate
        await asyncio.sleep(0.01)


@agent(outputs=["facts"], estimate_seconds=1)
async def scout(inputs):
    """Finds facts."""
    return {"facts": {"about": inputs["campaign"]["brief"], "count": 2}}


@agent(inputs=["facts"], outputs=["draft"], estimate_seconds=2)
async def author(inputs):
    """Writes, when the gate is open."""
    await gate(inputs, "author")
    return {"draft": f"{inputs['facts']['count']} facts"}


@agent(inputs=["draft"], outputs=["review"], estimate_seconds=2)
async def critic(inputs):
    """Reviews, when the gate is open."""
    await gate(inputs, "critic")
    return {"review": "fine"}


@agent(inputs=["facts"], outputs=["film"], max_retries=1, backoff={"initial_seconds": 0}, estimate_seconds=1)
async def filmer(_):
    """Has no camera."""
    raise OSError("no camera")


@agent(inputs=["film"], outputs=["trailer"], estimate_seconds=1)
async def cutter(_):
    """Cuts a film, which there never is."""
    return {"trailer": "short"}


@agent(outputs=["verdict"], estimate_seconds=1)
async def judge(inputs):
    """Asks a person."""
    return {"verdict": interrupt({"publish": inputs["campaign"]["brief"]})}


@agent(outputs=["echo"], estimate_seconds=1)
async def parrot(inputs):
    """Says what it was told."""
    return {"echo": [inputs["campaign"]["brief"], inputs["campaign"]["name"]]}


@agent(inputs=["echo"], outputs=["curse"], max_retries=0, estimate_seconds=1)
async def jinx(inputs):
    """Fails with what it was told."""
    raise ValueError(inputs["echo"][0])


@agent(inputs=["echo"], outputs=["doubt"], estimate_seconds=1)
async def sceptic(inputs):
    """Asks what it was told."""
    return {"doubt": interrupt(inputs["echo"])}


CROWD = 500


def one_of_many(number):
    """Make an agent that depends on one that came ten before it, and on another one."""
    before = sorted({number - 10, number - 10 - number % 7} & set(range(CROWD)))

    async def body(_):
        return {f"part{number}": number}

    needed = {"inputs": [f"part{other}" for other in before], "outputs": [f"part{number}"]}
    return agent(name=f"member_{number:03}", description="One of many.", **needed)(body)


agents = [scout, author, critic, filmer, cutter, judge, parrot, jinx, sceptic, *map(one_of_many, range(CROWD))]
