"""Runs a PostgreSQL server of one's own in a folder: create, start, stop. Blocking; knows nothing of who uses it.

PostgreSQL refuses to run as root, so for root everything is done as an unprivileged user.
"""

import hashlib
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

START_SECONDS = 60
STOP_SECONDS = 30
LONGEST_SOCKET_FOLDER = 80
"""Most bytes in the path of a socket folder: systems allow 103 to 107 for the whole, 15 are the socket's name."""

LARGEST_LOG = 2**20
NOT_ANSWERING_SECONDS = 10
_MARK = "postmaster.pid"
_PROCESSES = Path("/proc")
_POLL_SECONDS = 0.02


class ServerError(Exception):
    """A server cannot be created, started or stopped; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server whose data, log and socket are in ``folder``, run by the programs in ``programs``.

    It listens on a Unix socket only. ``owner`` is the user who runs it, ``None`` for the present one; ``settings`` are
    PostgreSQL's, by name.
    """

    folder: Path
    programs: Path
    owner: str | None = None
    settings: Mapping[str, str] | None = None

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.folder / "server.log"

    def create(self) -> None:
        """Make the data folder if there is none; one that is only half made never counts."""
        for left in self.folder.glob("unfinished-*"):
            shutil.rmtree(left, ignore_errors=True)
        if (self.data / "PG_VERSION").exists():
            return
        # A name of its own: the initdb of a process that was killed may still be busy with the other one.
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=self.folder))
        self._give_to_owner(unfinished)
        options = ["--username=postgres", "--auth-local=trust", "--auth-host=reject", "--no-locale", "--encoding=UTF8"]
        self._run("initdb", options, START_SECONDS, data=unfinished)
        unfinished.rename(self.data)

    def start(self) -> str:
        """Start the server unless it runs, and give the connection string once it takes connections."""
        if not self._settled():
            self._remove_marks()
            sockets = self._socket_folder()
            place = '"' + str(sockets).replace('"', '""') + '"'
            options = {"listen_addresses": "", "unix_socket_directories": place, **(self.settings or {})}
            command = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
            said = self._open_log()
            try:
                self._run(
                    "pg_ctl",
                    ["start", "-w", "-t", str(START_SECONDS), "-l", self.log.name, "-o", command],
                    START_SECONDS + 5,
                )
            except ServerError as error:
                raise ServerError(f"the server does not start: {self._last_words(said) or error}") from error
        socket = self._socket()
        if socket is None:
            raise ServerError("the server stopped right after it started")
        return make_conninfo(host=str(socket[0]), port=socket[1], user="postgres", dbname="postgres")

    def stop(self) -> None:
        """Stop the server if it runs, cutting off its clients."""
        socket = self._socket()
        if self._pid() is not None:
            self._run("pg_ctl", ["stop", "-w", "-t", str(STOP_SECONDS), "-m", "fast"], STOP_SECONDS + 5)
        if socket is not None and socket[0] != self.data:
            with suppress(OSError):
                socket[0].rmdir()

    def is_running(self) -> bool:
        """Tell whether there is a process of the server; it may be on its way up or down."""
        return self._pid() is not None

    def _settled(self) -> bool:
        """Wait until a server that is on its way up or down is there; tell whether it is up."""
        begin = time.monotonic()
        while (pid := self._pid()) is not None:
            answer = self._answer()
            if answer == _READY:
                return True
            if time.monotonic() - begin > (START_SECONDS if answer == _BUSY else NOT_ANSWERING_SECONDS):
                mark = self.data / _MARK
                raise ServerError(
                    f"it runs as process {pid} and does not answer: end that, or remove {mark} if it is not it"
                )
            time.sleep(_POLL_SECONDS)
        return False

    def _remove_marks(self) -> None:
        """Remove what a server that is gone has left.

        PostgreSQL takes that for a running server if the process id in it now belongs to another process of the same
        user, or if nobody has reaped the dead one.
        """
        socket = self._socket()
        if socket is not None:
            (socket[0] / f".s.PGSQL.{socket[1]}.lock").unlink(missing_ok=True)
        (self.data / _MARK).unlink(missing_ok=True)

    def _pid(self) -> int | None:
        """Give the process id of the running server."""
        lines = self._mark()
        if lines is None:
            return None
        pid = int(lines[0])
        try:
            os.kill(pid, 0)
            # A server works in its data folder; any other process with this id is not it, and a dead one works nowhere.
            elsewhere = (_PROCESSES / "self").exists() and not (_PROCESSES / str(pid) / "cwd").samefile(self.data)
        except (ProcessLookupError, PermissionError, FileNotFoundError):
            return None
        return None if elsewhere else pid

    def _answer(self) -> int:
        """Ask the server how it is: one of ``_READY``, ``_BUSY`` (on its way up or down), or something else."""
        socket = self._socket()
        if socket is None:
            return _NO_ANSWER
        question = ["-q", "-h", str(socket[0]), "-p", str(socket[1]), "-t", "1"]
        return self._call("pg_isready", question, START_SECONDS)[0]

    def _socket(self) -> tuple[Path, int] | None:
        """Give the folder and port of the socket, as the running server wrote them down."""
        lines = self._mark()
        if lines is None or len(lines) < 5 or not lines[4]:  # noqa: PLR2004  # the file's fifth line
            return None
        return Path(lines[4]), int(lines[3])

    def _mark(self) -> list[str] | None:
        """Give the lines of ``postmaster.pid``: process, data folder, start, port, socket folder, address, ..."""
        try:
            lines = (self.data / _MARK).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return None
        return lines if lines and lines[0].strip().isdigit() else None

    def _socket_folder(self) -> Path:
        """Give where the socket goes: into the data folder, or where its path is short enough.

        A comma would part the path in two when a client connects.
        """
        if len(os.fsencode(self.data)) <= LONGEST_SOCKET_FOLDER and "," not in str(self.data):
            return self.data
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  # checked below to be ours alone
            folder = Path(base) / f"planner-graph-{digest}"
            if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
                break
        if not folder.exists():
            folder.mkdir(mode=0o700)
            self._give_to_owner(folder)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != self._uid() or status.st_mode & 0o077:
            raise ServerError(f"{folder} is not a private folder of user {self._uid()}: remove it")
        return folder

    def _give_to_owner(self, folder: Path) -> None:
        if self.owner is not None:
            shutil.chown(folder, self.owner, pwd.getpwnam(self.owner).pw_gid)

    def _open_log(self) -> int:
        """Have a log file that whoever runs the server may write; gives how many bytes are in it already."""
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.old"))
        self.log.touch(mode=0o600)
        if self.owner is not None:
            shutil.chown(self.log, self.owner)
        return self.log.stat().st_size

    def _last_words(self, said: int) -> str:
        """Give what the server says is wrong, in the part of its log after ``said`` bytes."""
        lines = self.log.read_bytes()[said:].decode("utf-8", "replace").splitlines()
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "could not" in line]
        return (telling or lines or [""])[-1].strip()

    def _uid(self) -> int:
        return os.getuid() if self.owner is None else pwd.getpwnam(self.owner).pw_uid

    def _run(self, program: str, arguments: Sequence[str], seconds: float, data: Path | None = None) -> None:
        """Run one of PostgreSQL's programs, which has to succeed."""
        code, text = self._call(program, arguments, seconds, data)
        if code:
            lines = [line for line in text.splitlines() if "error" in line.lower() or "could not" in line]
            raise ServerError(f"{program} failed: {(lines or text.splitlines() or ['no output'])[0].strip()}")

    def _call(
        self, program: str, arguments: Sequence[str], seconds: float, data: Path | None = None
    ) -> tuple[int, str]:
        """Run one of PostgreSQL's programs to its end, as the owner; give its exit code and what it said.

        Its output goes to a file: the server it leaves behind would keep a pipe open for ever. The data folder goes
        through the environment and other files by relative paths: pg_ctl hands its arguments to a shell, quoted so that
        a path with '"' or '$' in it would break out.
        """
        owner = None if self.owner is None else pwd.getpwnam(self.owner)
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(  # noqa: S603  # no shell, and nothing but our own arguments
                    [str(self.programs / program), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=_environment() | {"PGDATA": str(data or self.data)},
                    cwd=self.folder,
                    timeout=seconds,
                    check=False,
                    user=owner and owner.pw_uid,
                    group=owner and owner.pw_gid,
                    extra_groups=owner and [],
                )
            except subprocess.TimeoutExpired as error:
                raise ServerError(f"{program} took longer than {seconds:g} seconds") from error
            output.seek(0)
            return done.returncode, output.read().decode("utf-8", "replace").strip()


_READY, _BUSY, _NO_ANSWER = 0, 1, 2
"""What pg_isready returns."""


def let_through(path: Path, uid: int) -> None:
    """Let user ``uid`` reach ``path``: each folder above it gets the right to be passed through, none to be read."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if folder.stat().st_uid != uid and not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _environment() -> dict[str, str]:
    """Give the environment without the variables that would redirect PostgreSQL's programs, and in plain English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}
