"""Agents for tests of the dashboard: late ones, ones that fail at length, and products of several agents."""

from planner_graph import agent
from tests.acceptance.troupe import gate


@agent(outputs=["draft"], estimate_seconds=0.2, timeout_seconds=60, max_retries=1)
async def late(inputs):
    """Takes longer than it should."""
    await gate(inputs, "late")
    return {"draft": "late"}


@agent(inputs=["draft"], outputs=["final"], estimate_seconds=1)
async def last(inputs):
    """Comes after the late one."""
    return {"final": inputs["draft"]}


@agent(outputs=["speech"], estimate_seconds=1, max_retries=0)
async def talker(_):
    """Fails at length."""
    raise ValueError("the beginning " + "and so on " * 100 + "the end")


agents = [late, last, talker]
