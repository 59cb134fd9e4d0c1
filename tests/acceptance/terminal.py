"""A terminal of a given size, in which a command runs as a person would start it; tmux draws it."""

import contextlib
import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

LONGEST_SECONDS = 30


class Terminal:
    """One window of a tmux server of its own."""

    def __init__(self, socket: str, columns: int, rows: int) -> None:
        self._socket = socket
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh")

    def run(self, command: list[str | Path], environment: Mapping[str, str], folder: Path) -> None:
        """Type a command, and Enter."""
        settings = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in environment.items())
        words = " ".join(shlex.quote(str(word)) for word in command)
        self._tmux("send-keys", "-l", f"cd {shlex.quote(str(folder))}; clear; env -i TERM=screen {settings} {words}")
        self.press("Enter")

    def press(self, key: str) -> None:
        """Press a key, by the name that tmux has for it."""
        self._tmux("send-keys", key)

    def screen(self) -> str:
        """Return what is on the screen now."""
        return self._tmux("capture-pane", "-p")

    def wait_for(self, *words: str, seconds: float = LONGEST_SECONDS) -> str:
        """Return the screen once it holds all of ``words``."""
        deadline = time.monotonic() + seconds
        while not all(word in (shown := self.screen()) for word in words):
            assert time.monotonic() < deadline, f"not on the screen within {seconds} s: {words}\n{shown}"
            time.sleep(0.02)
        return shown

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, "-f", os.devnull, *arguments],
            check=True,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        return done.stdout


@contextlib.contextmanager
def terminal(columns: int, rows: int = 30) -> Iterator[Terminal]:
    """Open a terminal of so many columns and rows."""
    socket = f"planner-graph-{uuid4().hex[:12]}"
    try:
        yield Terminal(socket, columns, rows)
    finally:
        subprocess.run(["tmux", "-L", socket, "kill-server"], check=False, capture_output=True)
