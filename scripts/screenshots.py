"""Makes the pictures of the dashboard in ``docs/images``: ``python -m scripts.screenshots``, or ``make screenshots``.

A live server on a private database runs a few campaigns with the agents of ``gallery.py``; Chromium shows their pages.
"""

import asyncio
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from planner_graph.store import embedded
from tests.acceptance.browsing import CHROMIUM, Site, Visitor, off_loop, open_browser, visit

IMAGES = Path(__file__).parents[1] / "docs/images"
GALLERY = Path(__file__).with_name("gallery.py")
LARGEST_BYTES = 150_000
COLOURS = 200

ALL = ["published", "newsletter.html", "header.png", "chart.png"]
NAME = "Spring collection"


async def main() -> int:
    """Make all pictures; the exit code is 2 without a browser."""
    if CHROMIUM is None:
        sys.stderr.write("Chromium is needed\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        server = embedded.join(Path(folder) / "home")
        site = Site(folder, server.conninfo, GALLERY)
        try:
            await off_loop(site.start)
            async with open_browser() as browser:
                await show(site, browser)
        finally:
            await off_loop(site.stop)
            server.leave()
    return 0


async def show(site: Site, browser: Any) -> None:
    """Run campaigns, and take the pictures one after the other."""
    past = [
        site.run(id="launch", name="Summer launch", deliverables=["newsletter.html", "seo.json"]),
        site.run(id="weekly", name="Weekly newsletter", deliverables=["newsletter.html"]),
        site.run(id="charts", name="Sales charts", deliverables=["chart.png"]),
        site.run(id="review", name="Product review", deliverables=["approved"]),
    ]
    async with visit(browser, site.base, color_scheme="light") as visitor:
        for run_id in past:
            await visitor.go(f"runs/{run_id}")
            await visitor.see("#connection[data-state='ended'], .question")
        held = site.run(id="spring", name=NAME, deliverables=ALL, brief="Announce the spring collection ...")
        await visitor.go(f"runs/{held}?agent=writer")
        await visitor.see_state("chart", "failed")
        await visitor.see(".panel .attempts")
        await take(visitor, "run")
        await visitor.go("runs")
        await visitor.see(".runs tbody tr", len(past) + 1)
        await take(visitor, "runs")
        await visitor.go(f"runs/{past[0]}?tab=timeline")
        await visitor.see(".gantt .actual", 6)
        await take(visitor, "timeline")
        await visitor.go("history")
        await visitor.see(".history tbody tr", 6)
        await take(visitor, "history")
        await plan(visitor)
    async with visit(browser, site.base, color_scheme="dark") as visitor:
        await visitor.go(f"runs/{past[3]}")
        await visitor.see(".question")
        await take(visitor, "question-dark")
    site.post(f"workflows/{held}/control", {"action": "cancel"})


async def plan(visitor: Visitor) -> None:
    """Plan a campaign in the page, and take its picture."""
    await visitor.go("plan")
    await visitor.page.fill("#campaign-name", NAME)
    await visitor.page.fill("#campaign-deliverables", ", ".join(ALL))
    await visitor.page.fill("#campaign-brief", "Announce the spring collection to people who bought last year.")
    await visitor.page.click("text=Preview plan")
    await visitor.see(".plan-result .node", 12)
    await take(visitor, "plan")


async def take(visitor: Visitor, name: str) -> None:
    """Take a picture once nothing moves any more.

    Raises:
        SystemExit: it is too large.
    """
    await visitor.page.mouse.move(0, 0)
    await visitor.page.wait_for_timeout(700)
    png = await visitor.page.screenshot(animations="disabled")
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"dashboard-{name}.png"
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, at most {LARGEST_BYTES} are allowed")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
