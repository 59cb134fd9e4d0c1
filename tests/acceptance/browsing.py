"""A live server in a process of its own, and a browser that looks at its dashboard."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, async_playwright

T = TypeVar("T")

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Site:
    """The server of a database; it can be stopped and started again at the same address."""

    def __init__(self, folder: str | Path, dsn: str, agents: str | Path, *options: str) -> None:
        self.folder, self.dsn, self.port = Path(folder), dsn, free_port()
        self.gates = self.folder / "gates"
        self.gates.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
        self.environment = {**kept, "HOME": str(folder), "GATES": str(self.gates), "PLANNER_GRAPH_DSN": dsn}
        self.options = ["--agents", f"{agents}:agents", "--no-builtin", *options]
        self.base = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        log = self.folder / "serve.log"
        with log.open("ab") as written:
            command = [str(PROGRAM), "serve", "--port", str(self.port), *self.options]
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

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Let the server end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(LONGEST_SECONDS)

    def command(self, *arguments: str) -> str:
        """Give what a command writes."""
        return subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def wait_until_heard(self, run_id: str) -> None:
        """Return when the server has looked at what is asked of a run that it executes."""
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            seen: set[Any] = set()
            while len(seen) < 3:  # the second beat from now began after now
                [beat] = conn.execute("SELECT renewed_at FROM run_leases WHERE workflow_execution_id = %s", [run_id])
                seen.add(beat)
                time.sleep(0.05)  # until another process writes

    def open_gate(self, brief: str, name: str) -> None:
        (self.gates / f"{brief}.{name}").touch()

    def get(self, path: str) -> Any:
        return self._said(httpx.get(f"{self.base}/api/v2/{path}", timeout=LONGEST_SECONDS))

    def post(self, path: str, body: Any) -> Any:
        return self._said(httpx.post(f"{self.base}/api/v2/{path}", json=body, timeout=LONGEST_SECONDS))

    def run(self, **campaign: Any) -> str:
        """Start a run, and give its id."""
        return str(self.post("workflows", {"campaign": campaign})["workflow_execution_id"])

    @staticmethod
    def _said(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
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

    def __init__(self, base: str, page: Page) -> None:
        self.base, self.page = base, page
        self.problems: list[str] = []
        page.on("console", self._listen)
        page.on("request", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    def _note(self, request: Request) -> None:
        if not request.url.startswith((f"{self.base}/", "about:")):
            self.problems.append(f"the page asks elsewhere: {request.url}")

    async def go(self, path: str) -> None:
        await self.page.goto(f"{self.base}/#/{path}")

    def at(self, selector: str) -> Locator:
        return self.page.locator(selector)

    async def see(self, selector: str, count: int = 1) -> None:
        """Wait until the page has something like that."""
        await self.page.wait_for_function(
            "([what, many]) => document.querySelectorAll(what).length >= many", arg=[selector, count]
        )

    async def see_state(self, agent: str, status: str) -> None:
        await self.see(f'.node[data-agent="{agent}"][data-status="{status}"]')

    async def see_run(self, status: str) -> None:
        await self.see(f'.summary-state .pill[data-status="{status}"]')

    async def press(self, action: str, *, reason: str | None = None) -> None:
        """Press a button of the run, and confirm."""
        await self.page.click(f'[data-action="{action}"]')
        if reason is not None:
            await self.page.fill("#reason", reason)
        await self.page.click("dialog [type=submit]")

    async def text(self, selector: str) -> str:
        return await self.page.inner_text(selector)

    async def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(wider))

    async def check(self) -> None:
        """Nothing was complained about, refused by the policy, or executed."""
        assert await self.page.evaluate("window.violations") == []
        assert await self.page.evaluate("window.executed") is None
        assert not self.problems, self.problems


@asynccontextmanager
async def visit(browser: Browser, base: str, **options: Any) -> AsyncIterator[Visitor]:
    """Open a window of its own."""
    context = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(LONGEST_SECONDS * 1000)
    await context.add_init_script(WATCH)
    yield Visitor(base, await context.new_page())
    await context.close()


async def off_loop(function: Callable[..., T], *arguments: Any) -> T:
    """Call what blocks without keeping the browser from being heard."""
    return await asyncio.to_thread(function, *arguments)
