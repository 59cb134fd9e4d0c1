"""LangGraph's own development server, as ``langgraph dev`` starts it: one for the test session, on loopback.

It serves what ``langgraph.json`` names, and ``team``, the agents of ``tests/acceptance/studio_agents.py``. Runs are
mirrored into a database of the session's. Whatever it would ask of the internet goes to a trap.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from planner_graph.store.database import DSN_VARIABLE
from tests.databases import TEMPLATE, Servers, fresh

ROOT = Path(__file__).parents[1]
SERVED = ROOT / "tests" / "acceptance" / "studio_agents.py"
PROGRAM = Path(sys.executable).with_name("langgraph")
LOOPBACK = "127.0.0.1"
LONGEST_START = 100
LONGEST_END = 20


@dataclass(frozen=True, kw_only=True)
class LangGraphServer:
    """A server that runs: where, with which database, and what it logs."""

    url: str
    dsn: str
    log: list[str]


class Trap:
    """Takes every connection, and notes what was wanted."""

    def __init__(self) -> None:
        self.wanted: list[str] = []
        self._listening = socket.create_server((LOOPBACK, 0))
        self.url = f"http://{LOOPBACK}:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self.wanted.append(connection.recv(1000).decode(errors="replace").partition("\r\n")[0])


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def configuration() -> dict[str, object]:
    """Give ``langgraph.json`` with the tests' own agents, for any folder to start in."""
    shipped = json.loads((ROOT / "langgraph.json").read_text())
    graphs = {name: {**graph, "path": str(ROOT / graph["path"])} for name, graph in shipped["graphs"].items()}
    return {**shipped, "graphs": {**graphs, "team": f"{SERVED}:campaign"}}


@pytest.fixture(scope="session")
def langgraph_server(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LangGraphServer]:
    folder, trap, port = tmp_path_factory.mktemp("langgraph"), Trap(), free_port()
    (folder / "langgraph.json").write_text(json.dumps(configuration()))
    for dsn in fresh(servers.address("embedded"), TEMPLATE):
        environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}},
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "LANGSMITH_TRACING": "false",
            "LANGGRAPH_CLI_NO_ANALYTICS": "1",
            "LANGGRAPH_NO_VERSION_CHECK": "true",
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), trap.url),
            "NO_PROXY": LOOPBACK,
            DSN_VARIABLE: dsn,
        }
        options = ["--host", LOOPBACK, "--port", str(port), "--no-browser", "--no-reload", "--n-jobs-per-worker", "4"]
        process = subprocess.Popen(
            [PROGRAM, "dev", *options, "--server-log-level", "INFO"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            yield LangGraphServer(url=f"http://{LOOPBACK}:{port}", dsn=dsn, log=awaited(process))
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(LONGEST_END)
            finally:
                process.kill()
                process.wait()
    trap.close()
    assert trap.wanted == [], "the server wanted something of the internet"


def awaited(process: subprocess.Popen[str]) -> list[str]:
    """Give the lines that a server logs, once it serves."""
    log: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                log.append(re.sub(r"\x1b\[\d+m", "", line))
                if "Uvicorn running on" in line:
                    ready.set()
        ready.set()

    threading.Thread(target=read, daemon=True).start()
    started = ready.wait(LONGEST_START) and process.poll() is None
    if not started:
        process.kill()
    assert started, "".join(log)
    return log
