"""What the dashboard asks and tells is about the run that is shown: dialogs, times, counts, products, long errors."""

import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.browsing import CHROMIUM, Site, open_browser, visit
from tests.databases import TEMPLATE, fresh

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path"),
    pytest.mark.asyncio(loop_scope="module"),
]

TROUPE, SLOW = Path(__file__).with_name("troupe.py"), Path(__file__).with_name("slow_agents.py")
OFF = [timedelta(hours=5), timedelta(hours=-7), timedelta(days=400)]


def site_of(servers, folder, agents):
    for dsn in fresh(servers.address("embedded"), TEMPLATE):
        made = Site(folder, dsn, agents, "--max-runs", "64")
        made.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        made.start()
        yield made
        made.stop(signal.SIGKILL)  # not gently: runs of a test that failed may wait at their gates


@pytest.fixture(scope="module")
def site(servers, tmp_path_factory):
    yield from site_of(servers, tmp_path_factory.mktemp("site"), TROUPE)


@pytest.fixture(scope="module")
def slow(servers, tmp_path_factory):
    yield from site_of(servers, tmp_path_factory.mktemp("slow"), SLOW)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(site, browser):
    async with visit(browser, site.base) as opened:
        yield opened
        await opened.check()


async def working(site, visitor, brief, **campaign):
    """Start a run that waits at a gate, and show it."""
    run_id = site.run(name=f"Run {brief}", brief=brief, **{"deliverables": ["draft"], **campaign})
    await visitor.go(f"runs/{run_id}")
    await visitor.see_state("author", "running")
    return run_id


@pytest.mark.parametrize("action", ["pause", "cancel"])
async def test_a_dialog_names_its_run(site, visitor, action):
    run_id = await working(site, visitor, f"named-{action}")
    await visitor.page.click(f'[data-action="{action}"]')
    said = await visitor.text("dialog")
    assert f"Run named-{action}" in said
    assert run_id[:8] in said
    await visitor.page.click("dialog >> text=Back")
    await visitor.page.wait_for_selector("dialog", state="detached")
    assert site.get(f"workflows/{run_id}")["status"] == "running"


LEAVING = {
    "another run": "other => { location.hash = `#/runs/${other}` }",
    "a list": "() => { location.hash = '#/runs' }",
    "back": "() => history.back()",
    "a view of the same run": "() => { location.hash = location.hash.split('?')[0] + '?tab=events' }",
}


@pytest.mark.parametrize("way", LEAVING)
@pytest.mark.parametrize("action", ["pause", "cancel"])
async def test_a_dialog_ends_with_its_page(site, visitor, way, action):
    brief = f"{way}-{action}".replace(" ", "-")
    other = await working(site, visitor, f"other-{brief}")
    run_id = await working(site, visitor, f"left-{brief}")
    await visitor.page.click(f'[data-action="{action}"]')
    await visitor.see("dialog[open]")
    await visitor.page.evaluate(LEAVING[way], other)
    await visitor.page.wait_for_selector("dialog", state="detached")
    await visitor.page.wait_for_timeout(200)
    assert [site.get(f"workflows/{run}")["status"] for run in (run_id, other)] == ["running", "running"]


async def test_going_forward_ends_a_dialog_too(site, visitor):
    run_id = await working(site, visitor, "forward-first")
    await visitor.go("runs")
    await visitor.see(f'tr[data-run="{run_id}"]')
    await visitor.page.go_back()
    await visitor.see('[data-action="cancel"]')
    await visitor.page.click('[data-action="cancel"]')
    await visitor.page.go_forward()
    await visitor.see(f'tr[data-run="{run_id}"]')
    assert await visitor.at("dialog").count() == 0
    assert site.get(f"workflows/{run_id}")["status"] == "running"


@pytest.mark.parametrize("action", ["pause", "cancel"])
async def test_a_dialog_ends_with_its_run(site, visitor, action):
    brief = f"ends-{action}"
    run_id = await working(site, visitor, brief)
    await visitor.page.click(f'[data-action="{action}"]')
    await visitor.see("dialog[open]")
    site.open_gate(brief, "author")
    await visitor.see_run("completed")
    await visitor.page.wait_for_selector("dialog", state="detached")
    assert "completed by now" in await visitor.text("#toasts")
    assert site.get(f"workflows/{run_id}")["status"] == "completed"


async def test_a_dialog_ends_when_the_question_is_answered_elsewhere(site, visitor):
    run_id = site.run(name="Asked", brief="asked", deliverables=["verdict"])
    await visitor.go(f"runs/{run_id}")
    await visitor.page.click('[data-action="reject"]')
    assert "Asked" in await visitor.text("dialog")
    site.post(f"workflows/{run_id}/control", {"action": "approve", "agent": "judge"})
    await visitor.see_run("completed")
    await visitor.page.wait_for_selector("dialog", state="detached")
    assert site.get(f"workflows/{run_id}")["result"]["deliverables"] == {"verdict": True}


async def test_a_dialog_acts_on_its_run(site, visitor):
    other = await working(site, visitor, "bystander")
    run_id = await working(site, visitor, "target")
    await visitor.press("cancel", reason="enough")
    await visitor.see_run("cancelled")
    assert site.get(f"workflows/{run_id}")["status"] == "cancelled"
    assert site.get(f"workflows/{other}")["status"] == "running"


async def test_the_dialog_that_starts_a_run_names_the_campaign_and_ends_with_its_page(site, visitor):
    await visitor.go("plan")
    await visitor.page.fill("#campaign-name", "Never started")
    await visitor.page.fill("#campaign-deliverables", "facts")
    await visitor.page.click("#start-run")
    assert "Never started" in await visitor.text("dialog")
    await visitor.page.evaluate("() => { location.hash = '#/runs' }")
    await visitor.page.wait_for_selector("dialog", state="detached")
    assert "Never started" not in [run["campaign"]["name"] for run in site.get("workflows")["items"]]


@pytest.mark.parametrize("off", OFF, ids=str)
async def test_times_are_the_servers_though_the_clock_of_the_browser_is_wrong(site, browser, off):
    brief = f"clock-{off.total_seconds():.0f}"
    run_id = site.run(name=brief, brief=brief, deliverables=["draft"])
    async with visit(browser, site.base) as visitor:
        await visitor.page.clock.install(time=datetime.now(UTC) + off)
        await visitor.go(f"runs/{run_id}?tab=agents")
        await visitor.see('tr[data-agent="author"] .pill[data-status="running"]')
        began = datetime.fromisoformat(site.get(f"workflows/{run_id}")["started_at"])
        shown = seconds(await visitor.text("#time-figure"))
        passed = (datetime.now(UTC) - began).total_seconds()
        assert shown == pytest.approx(passed, abs=4)
        row = await visitor.text('tr[data-agent="author"] td[data-label="Time"]')
        assert seconds(row) == pytest.approx(passed, abs=4)
        await visitor.go("runs")
        await visitor.see(f'tr[data-run="{run_id}"]')
        line = await visitor.text(f'tr[data-run="{run_id}"]')
        assert re.search(r"just now|\d+ s ago", line), line
        site.open_gate(brief, "author")
        await visitor.check()


def seconds(text):
    """Read a duration below a minute."""
    found = re.fullmatch(r"([\d.]+) s", text.strip())
    assert found, text
    return float(found[1])


async def test_rows_of_the_history_that_are_those_of_other_code_are_told_apart(visitor):
    row = {"runs": 1, "succeeded": 1, "success_rate": 1.0, "last_run_at": "2030-01-01T00:00:00+00:00"}
    agents = [
        {"agent": "twice", "work": "aaaabbbbcccc", **row},
        {"agent": "twice", "work": None, **row},
        {"agent": "once", "work": "ddddeeeeffff", **row},
    ]
    await visitor.page.route("**/history?last=*", lambda route: route.fulfill(json={"agents": agents}))
    await visitor.go("history")
    await visitor.see(".history tbody tr", 3)
    names = await visitor.at(".history tbody th").all_inner_texts()
    assert sorted(names) == ["once", "twice (code aaaabbbb)", "twice (code not known)"]


FITS = """(name) => {
    const end = (part) =>
        document.querySelector(`.node[data-agent="${name}"] ${part}`).getBoundingClientRect().right;
    return end(".note") < end(".box");
}"""
"""Whether what stands in the box of an agent stays within it."""


async def test_overdue_agents_are_marked_with_what_happens_next(slow, browser):
    run_id = slow.run(name="Late", brief="late", deliverables=["final"])
    async with visit(browser, slow.base) as visitor:
        await visitor.go(f"runs/{run_id}?tab=agents")
        await visitor.see('.overdue li[data-agent="late"]')
        said = await visitor.text(".overdue li")
        assert "late is overdue: nine in ten end within" in said
        assert "attempt 2 of 2" in said
        assert "overdue" in await visitor.text('tr[data-agent="late"] td[data-label="State"]')
        await visitor.go(f"runs/{run_id}")
        await visitor.page.reload()
        await visitor.see('.node.overdue[data-agent="late"]')
        note = await visitor.at('.node[data-agent="late"] .note').text_content() or ""
        assert re.fullmatch(r".* s( of ~.* s)?, overdue", note)
        assert await visitor.page.evaluate(FITS, "late"), note
        slow.open_gate("late", "late")
        await visitor.see_run("completed")
        assert await visitor.at(".overdue li").count() == 0
        assert await visitor.at(".node.overdue").count() == 0
        await visitor.check()


async def height(place):
    box = await place.bounding_box()
    assert box is not None
    return box["height"]


async def test_a_failed_run_never_shows_all_of_its_work_and_folds_a_long_error(slow, browser):
    run_id = slow.run(name="Talk", brief="talk", deliverables=["speech"])
    async with visit(browser, slow.base) as visitor:
        await visitor.go(f"runs/{run_id}?tab=agents")
        await visitor.see_run("failed")
        await visitor.see(".failures .folded")
        assert await visitor.text("#progress-figure") != "100 %"
        assert await height(visitor.at(".failures")) < 160
        assert "the end" not in await visitor.text(".failures")
        await visitor.page.click(".failures .folded summary")
        assert "the end" in await visitor.text(".failures")
        for tab in ("agents", "events"):
            await visitor.go(f"runs/{run_id}?tab={tab}&agent=talker")
            await visitor.see(".panel .folded")
            assert await height(visitor.at(".views .folded").first) < 200
        await visitor.check()


async def test_cancelled_agents_are_counted(site, visitor):
    await working(site, visitor, "counted", deliverables=["review"])
    await visitor.press("cancel")
    await visitor.see_run("cancelled")
    await visitor.see('.count[data-status="cancelled"]')
    counts = dict(reversed(line.split()) for line in (await visitor.at(".count").all_inner_texts()))
    assert counts == {"completed": "1", "cancelled": "2"}
    assert await visitor.text("#progress-figure") != "100 %"


async def test_products_are_listed_before_and_after_the_run(site, visitor):
    await visitor.go("plan")
    await visitor.page.fill("#campaign-brief", "products")
    await visitor.page.fill("#campaign-deliverables", "draft, trailer")
    await visitor.page.click("text=Preview plan")
    await visitor.see('.plan-result [data-product="draft"]')
    assert "from author" in await visitor.text('.plan-result [data-product="draft"]')
    run_id = site.run(name="Products", brief="products", deliverables=["draft", "trailer"])
    await visitor.go(f"runs/{run_id}")
    await visitor.see('.products [data-product="draft"][data-standing="planned"]')
    site.open_gate("products", "author")
    await visitor.see('.products [data-product="draft"][data-standing="there"]')
    await visitor.see('.products [data-product="trailer"][data-standing="missing"]')
    assert "missing" in await visitor.text('.products [data-product="trailer"]')
