"""A live server in a process of its own, and a browser that looks at its dashboard."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
from playwright.async_api import async_playwright

PROGRAM = Path(sys.executable).with_name("planner-graph")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
LONGEST_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """The server of a database; it can be stopped and started again at the same address."""

    def __init__(self, folder, dsn, agents, *options):
        self.folder, self.dsn, self.port = Path(folder), dsn, free_port()
        self.gates = self.folder / "gates"
        self.gates.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
        self.environment = {**kept, "HOME": str(folder), "GATES": str(self.gates), "PLANNER_GRAPH_DSN": dsn}
        self.options = ["--agents", f"{agents}:agents", "--no-builtin", *options]
        self.base = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        """Start the server, and wait until it answers."""
        log = self.folder / "serve.log"
        with log.open("ab") as written:
            command = [PROGRAM, "serve", "--port", str(self.port), *self.options]
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=written, stderr=written
            )
        with httpx.Client(base_url=self.base, timeout=LONGEST_SECONDS) as client:
            while True:
                assert self.process.poll() is None, log.read_text(encoding="utf-8")
                try:
                    client.get("/api/v2/health/live")
                except httpx.TransportError:
                    time.sleep(0.05)  # another process opens the port
                else:
                    return

    def stop(self, how=signal.SIGTERM):
        """Let the server end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(LONGEST_SECONDS)

    def wait_until_heard(self, run_id):
        """Return when the server has looked at what is asked of a run that it executes."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            seen = set()
            while len(seen) < 3:  # the second beat from now began after now
                [beat] = conn.execute("SELECT renewed_at FROM run_leases WHERE workflow_execution_id = %s", [run_id])
                seen.add(beat)
                time.sleep(0.05)  # until another process writes

    def open_gate(self, brief, name):
        (self.gates / f"{brief}.{name}").touch()

    def get(self, path):
        return self._said(httpx.get(f"{self.base}/api/v2/{path}", timeout=LONGEST_SECONDS))

    def post(self, path, body):
        return self._said(httpx.post(f"{self.base}/api/v2/{path}", json=body, timeout=LONGEST_SECONDS))

    def run(self, **campaign):
        """Start a run, and give its id."""
        return self.post("workflows", {"campaign": campaign})["workflow_execution_id"]

    @staticmethod
    def _said(answer):
        assert answer.is_success, answer.text
        return answer.json()


@asynccontextmanager
async def open_browser():
    """Start Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        await browser.close()


WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
window.alert = window.confirm = window.prompt = () => { window.executed = true; };
"""


class Visitor:
    """A page of the dashboard; ``problems`` are what the console complained about."""

    def __init__(self, base, page):
        self.base, self.page = base, page
        self.problems: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _listen(self, message):
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    async def go(self, path):
        await self.page.goto(f"{self.base}/#/{path}")
        return self

    def at(self, selector):
        return self.page.locator(selector)

    async def see(self, selector, count=1):
        """Wait until the page has something like that."""
        await self.page.wait_for_function(
            "([what, many]) => document.querySelectorAll(what).length >= many", arg=[selector, count]
        )

    async def see_state(self, agent, status):
        await self.see(f'.node[data-agent="{agent}"][data-status="{status}"]')

    async def see_run(self, status):
        await self.see(f'.summary-state .pill[data-status="{status}"]')

    async def press(self, action, *, reason=None):
        """Press a button of the run, and confirm."""
        await self.page.click(f'[data-action="{action}"]')
        if reason is not None:
            await self.page.fill("#reason", reason)
        await self.page.click("dialog [type=submit]")

    async def text(self, selector):
        return await self.page.inner_text(selector)

    async def overflow(self):
        """Pixels by which the page is wider than the window."""
        return await self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    async def check(self):
        """Nothing was complained about, refused by the policy, or executed."""
        assert await self.page.evaluate("window.violations") == []
        assert await self.page.evaluate("window.executed") is None
        assert not self.problems, self.problems


@asynccontextmanager
async def visit(browser, base, **options):
    """Open a window of its own."""
    context = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(LONGEST_SECONDS * 1000)
    await context.add_init_script(WATCH)
    yield Visitor(base, await context.new_page())
    await context.close()


async def off_loop(function, *arguments):
    """Call what blocks without keeping the browser from being heard."""
    return await asyncio.to_thread(function, *arguments)
