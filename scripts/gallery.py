"""The agents that the pictures in the documentation show; a campaign that says so lets two of them wait."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from langgraph.types import interrupt

from planner_graph import agent

HELD = frozenset({"editor", "image"})
"""Agents that never end in a campaign whose brief ends with three dots."""

chance = random.Random(7)  # noqa: S311  # durations that differ a little


def work(name: str, seconds: float, gives: Mapping[str, Any], **declared: Any) -> Callable[..., Any]:
    """Make an agent that takes about so many seconds."""

    async def body(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if name in HELD and inputs["campaign"]["brief"].endswith("..."):
            await asyncio.Event().wait()
        await asyncio.sleep(seconds * chance.uniform(0.7, 1.5))
        return gives

    declared = {"estimate_seconds": seconds, "outputs": list(gives), **declared}
    return agent(name=name, description=f"The {name} of the pictures.", **declared)(body)


@agent(inputs=["draft"], outputs=["chart.png"], max_retries=1, backoff={"initial_seconds": 0.2}, estimate_seconds=0.3)
async def chart(_: Mapping[str, Any]) -> Mapping[str, Any]:
    """Draws a chart, if its service answers."""
    await asyncio.sleep(0.3)
    raise ConnectionError("the chart service answered 503")


@agent(inputs=["seo.json", "social.json"], outputs=["approved"], estimate_seconds=0.2)
async def reviewer(_: Mapping[str, Any]) -> Mapping[str, Any]:
    """Asks a person."""
    return {"approved": interrupt({"publish": "Spring collection", "on": ["blog", "social"]})}


DRAFT = "Light fabrics, clear colours: the spring collection is made for the first warm days of the year. "

agents = [
    work("planner", 0.5, {"strategy": "three posts, one newsletter"}),
    work("researcher", 0.9, {"facts": ["linen sales grew by 12 %", "two colours lead"]}, inputs=["strategy"]),
    work("trends", 0.6, {"trends": ["linen", "sage green"]}, inputs=["strategy"]),
    work("writer", 1.2, {"draft": DRAFT * 3}, inputs=["strategy", "facts", "trends"]),
    work("editor", 0.8, {"post.html": f"<p>{DRAFT}</p>"}, inputs=["draft"]),
    work("image", 1.0, {"header.png": "data:image/png;base64,iVBORw0KGgo="}, inputs=["draft"]),
    chart,
    work("seo", 0.4, {"seo.json": {"title": "Spring collection"}}, inputs=["post.html"]),
    work("social_media", 0.5, {"social.json": ["Linen is back."]}, inputs=["post.html"]),
    work("newsletter", 0.6, {"newsletter.html": "<p>Spring</p>"}, inputs=["post.html", "header.png"]),
    reviewer,
    work("publisher", 0.3, {"published": True}, inputs=["approved"]),
]
