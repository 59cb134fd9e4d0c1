"""Agents that keep the event loop of their run busy for as many seconds as the brief says."""

import time

from planner_graph import agent


@agent(outputs=["nap"], estimate_seconds=1, max_retries=0)
async def sleeper(inputs):
    """Blocks, as code does that forgets to await."""
    time.sleep(float(inputs["campaign"]["brief"]))  # noqa: ASYNC251  # that is the fault
    return "rested"


@agent(outputs=["sum"], estimate_seconds=1, max_retries=0)
async def counter(inputs):
    """Blocks with work of its own."""
    ends, number = time.monotonic() + float(inputs["campaign"]["brief"]), 0
    while time.monotonic() < ends:
        number += 1
    return number


agents = [sleeper, counter]
