"""The real command in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from tests.acceptance.served import Served
from tests.databases import TEMPLATE, Servers, fresh

PROGRAM = Path(sys.executable).with_name("planner-graph")
WORKSHOP = Path(__file__).with_name("workshop.py")
LONGEST_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Running:
    """A command that is still running, in a process group of its own, as a shell would start it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.err = ""

    def wait_for(self, words: str) -> None:
        """Return when a line of standard error holds ``words``."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.err += line
            if words in line:
                return
        raise AssertionError(f"the command ended without saying {words!r}:\n{self.err}")

    def press_ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def stop_at_once(self) -> None:
        """Press Ctrl-C until running agents get no more time to end."""
        self.press_ctrl_c()
        self.wait_for("once more to stop at once")
        self.press_ctrl_c()

    def end(self) -> Ended:
        out, err = self.process.communicate(timeout=LONGEST_SECONDS)
        return Ended(code=self.process.returncode, out=out or "", err=self.err + err)


class Command:
    """Runs ``planner-graph`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
        self.environment = {**kept, "HOME": str(folder), "PLANNER_GRAPH_HOME": str(folder / "home")}
        self.started: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str | Path, **environment: str | Path) -> Ended:
        return self.start(*arguments, environment=environment).end()

    def start(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str | Path] | None = None,
        stdout: int | IO[Any] = subprocess.PIPE,
    ) -> Running:
        process = subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env=self.environment | {name: str(value) for name, value in (environment or {}).items()},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.started.append(process)
        return Running(process)

    def write(self, name: str, text: str | bytes) -> str:
        """Write a file in the folder, and give its name."""
        (self.folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return name

    def files(self) -> list[str]:
        """List everything in the folder."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    made = Command(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def stored(command: Command, dsn: str) -> Command:
    """The command with a database of its own, named by the environment."""
    command.environment["PLANNER_GRAPH_DSN"] = dsn
    return command


@pytest.fixture(scope="module")
def served(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that the tests of a module share, with a database of its own."""
    for dsn in fresh(servers.address("embedded"), TEMPLATE):
        made = Served(dsn, tmp_path_factory.mktemp("served"))
        yield made
        made.close()
