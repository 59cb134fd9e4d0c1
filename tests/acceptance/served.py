"""A real server in a process of its own, and a client for it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

PROGRAM = Path(sys.executable).with_name("planner-graph")
AGENTS_FILE = Path(__file__).with_name("served_agents.py")
LONGEST_SECONDS = 60
ENDED = ("completed", "partial_success", "failed", "cancelled")


class Served:
    """``planner-graph serve`` on a free port; what it says is read as it comes."""

    def __init__(self, dsn: str, folder: Path, *options: str) -> None:
        self.folder = folder
        self._bar = folder / "shut"
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
        environment = {**kept, "HOME": str(folder), "PLANNER_GRAPH_DSN": dsn, "SHUT": str(self._bar)}
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", "--agents", f"{AGENTS_FILE}:agents", *options],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.said: list[str] = []
        self.url = ""
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(LONGEST_SECONDS), "".join(self.said)
        assert self.url, "".join(self.said)
        self.client = httpx.Client(base_url=f"{self.url}/api/v2", timeout=LONGEST_SECONDS)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"serving on (http://\S+);", line):
                self.url = found[1]
                self._ready.set()
        self._ready.set()

    def start(self, *deliverables: str, **others: Any) -> str:
        """Start a run and give its id."""
        campaign = {"brief": "facts", "deliverables": list(deliverables), **others}
        answer = self.client.post("/workflows", json={"campaign": campaign})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["workflow_execution_id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Give what there is to say of a run."""
        answer = self.client.get(f"/workflows/{run_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait(self, run_id: str, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask for a run until it is as it should be."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not is_there(found := self.run(run_id)):
            assert time.monotonic() < deadline, found
            time.sleep(0.02)  # there is nothing to wait for but the next answer
        return found

    def ended(self, run_id: str) -> dict[str, Any]:
        """Wait until a run has ended."""
        return self.wait(run_id, lambda run: run["status"] in ENDED)

    def hear(self, words: str) -> None:
        """Wait until the server has said ``words``."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not any(words in line for line in tuple(self.said)):
            assert time.monotonic() < deadline, "".join(self.said)
            time.sleep(0.02)  # its lines are read by a thread

    def control(self, run_id: str, **body: Any) -> httpx.Response:
        return self.client.post(f"/workflows/{run_id}/control", json=body)

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Keep those waiting that have a gate."""
        self._bar.touch()
        try:
            yield
        finally:
            self._bar.unlink()

    def end(self, *signals: signal.Signals) -> int:
        """Send signals, one after the other is heard, and give the exit code."""
        for number in signals:
            self.process.send_signal(number)
        code = self.process.wait(LONGEST_SECONDS)
        self._reader.join(LONGEST_SECONDS)
        return code

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LONGEST_SECONDS)
        self._reader.join(LONGEST_SECONDS)
        if self.process.stderr is not None:
            self.process.stderr.close()
