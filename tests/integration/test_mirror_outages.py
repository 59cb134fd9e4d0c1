"""A mirror whose database goes away, stalls or refuses: nothing is lost or told twice, and nobody waits for ever."""

import asyncio
import logging
import os
import shutil
import signal
import threading
import time
import uuid
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from planner_graph.compiler.compiler import compile_plan
from planner_graph.mirror import delivery, writer
from planner_graph.mirror import tables as written_tables
from planner_graph.mirror.delivery import Delivery
from planner_graph.mirror.handler import PlanMirror
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.store.database import open_database
from tests.databases import Servers, fresh, new_folder
from tests.fakes import INPUT, within
from tests.followed import DIAMOND, Tables
from tests.plans import make_plan

CHAIN = {f"agent {number:02}": [f"agent {number - 1:02}"] if number else [] for number in range(30)}
HASTY = MirrorSettings(flush_seconds=0.5, patience_seconds=0.5)
IN_PARTS = MirrorSettings(batch_limit=10)
"""However slow the machine is, a chain takes several batches."""


@pytest.fixture
def tables(dsn):
    return Tables(dsn)


@pytest.fixture
def own_servers():
    base = new_folder()
    servers = Servers(base)
    yield servers
    servers.stop()
    shutil.rmtree(base)


@pytest.fixture
def own_tables(own_servers):
    """Tables on a server that the test may stop."""
    database = fresh(own_servers.address("embedded"), "template_with_tables")
    yield Tables(next(database))
    with suppress(psycopg.Error, StopIteration):
        next(database)


def graph_of(agents, seconds=0.002, **others) -> Any:
    async def work(_):
        await asyncio.sleep(seconds)
        return 1

    return compile_plan(make_plan(agents, strategy="adaptive"), {name: others.get(name) or work for name in agents})


def followed_by(mirror, name="thread", **configurable) -> Any:
    return {"callbacks": [mirror], "configurable": {"thread_id": name, **configurable}}


async def written(tables):
    """Wait until a run is in the tables."""
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(tables.runs):
            pass


def mirrors(tables):
    """Give the server's process ids of all connections to the database but the asking one."""
    sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return [row["pid"] for row in tables.ask(sql)]


async def test_a_server_that_restarts_in_the_middle_costs_nothing(own_servers, own_tables):
    stopped = asyncio.Event()

    async def restart(_):
        server = own_servers.server("embedded")
        await asyncio.to_thread(server.stop)
        stopped.set()
        return 1

    async def start(_):
        await stopped.wait()
        await asyncio.to_thread(own_servers.server("embedded").start)
        return 1

    # The agents before, between and after are told of with the server up, down and up again.
    agents: dict[str, list[str]] = {**CHAIN, "stop": ["agent 09"], "start": ["agent 19"]}
    agents["agent 10"] = ["stop"]
    agents["agent 20"] = ["start"]
    async with PlanMirror(own_tables.dsn) as mirror:
        result = await graph_of(agents, stop=restart, start=start).ainvoke(INPUT, followed_by(mirror))
        report = mirror.report("thread")

    assert result["result"]["status"] == "completed"
    assert (report.missing, report.problem) == (0, None)
    own_tables.check_complete(report.run_id, agents)


async def test_a_connection_that_is_cut_again_and_again_costs_nothing(tables):
    over = threading.Event()
    cut = 0

    def cutting():
        nonlocal cut
        with psycopg.connect(tables.dsn, autocommit=True) as conn:
            while not over.is_set():
                killed = conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchall()
                cut += len(killed)
                over.wait(0.2)  # longer than a connection and a batch take

    agents = {**CHAIN, **{f"{name} again": [name] for name in CHAIN}}
    async with open_database(tables.dsn) as database, PlanMirror(database) as mirror:
        scissors = threading.Thread(target=cutting)
        scissors.start()
        try:
            runs = [
                graph_of(agents, 0.03).ainvoke(INPUT, followed_by(mirror, f"thread {number}")) for number in range(5)
            ]
            await asyncio.gather(*runs)
        finally:
            over.set()
            scissors.join()

    assert cut > 2
    for number in range(5):
        report = mirror.report(f"thread {number}")
        assert report.caught_up, report
        tables.check_complete(report.run_id, agents)


@pytest.mark.parametrize("silently", [False, True])
async def test_a_connection_that_is_cut_while_much_is_under_way_on_it_costs_nothing(tables, monkeypatch, silently):
    real, saves = written_tables.save, 0

    async def save(conn, *arguments):
        nonlocal saves
        saves += 1
        if saves == 3 and silently:  # as a driver does that has lost its place
            raise psycopg.OperationalError("sending query failed: cannot exit pipeline mode while busy")
        if saves == 3:
            tables.ask("SELECT pg_terminate_backend(%s)", conn.info.backend_pid)
        await real(conn, *arguments)

    monkeypatch.setattr(written_tables, "save", save)
    async with PlanMirror(tables.dsn, settings=IN_PARTS) as mirror:
        await graph_of(CHAIN).ainvoke(INPUT, followed_by(mirror))

    assert saves > 3
    assert mirror.report("thread").problem is None
    tables.check_complete(mirror.report("thread").run_id, CHAIN)


class Cut(Delivery):
    """A delivery whose connection is cut at the commit of a certain batch: before the server hears of it, or after."""

    when = "after"
    batch = 3
    cuts = 0

    async def _write(self, batch):
        await self._connected()
        assert self._conn is not None
        type(self).cuts += 1
        if self.cuts != self.batch:
            return await super()._write(batch)
        conn = self._conn
        real = conn.transaction

        def transaction():
            return Breaking(real(), conn, self.when)

        conn.transaction = transaction  # type: ignore[method-assign,assignment]
        return await super()._write(batch)


class Breaking:
    """A transaction whose connection breaks at its end."""

    def __init__(self, transaction, conn, when):
        self.transaction, self.conn, self.when = transaction, conn, when

    async def __aenter__(self):
        return await self.transaction.__aenter__()

    async def __aexit__(self, *error):
        assert error == (None, None, None)
        if self.when == "after":
            await self.transaction.__aexit__(*error)
        await self.conn.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("batch", [1, 3])
async def test_a_commit_whose_answer_is_lost_is_neither_repeated_nor_forgotten(tables, monkeypatch, when, batch):
    class OneCut(Cut):
        pass

    OneCut.when, OneCut.batch, OneCut.cuts = when, batch, 0
    monkeypatch.setattr(writer, "Delivery", OneCut)
    async with PlanMirror(tables.dsn, settings=IN_PARTS) as mirror:
        await graph_of(CHAIN).ainvoke(INPUT, followed_by(mirror))
        report = mirror.report("thread")

    assert OneCut.cuts > batch
    assert (report.missing, report.problem) == (0, None)
    tables.check_complete(report.run_id, CHAIN)


async def test_if_the_answer_is_lost_of_a_batch_in_which_a_run_was_refused_the_next_batch_is_still_written(
    tables, monkeypatch
):
    class OneCut(Cut):
        when, cuts = "after", 0

    monkeypatch.setattr(writer, "Delivery", OneCut)
    ended = str(uuid.uuid4())
    async with PlanMirror(tables.dsn, settings=MirrorSettings(delay_seconds=0.2)) as mirror:
        await graph_of(DIAMOND).ainvoke(INPUT, followed_by(mirror, workflow_execution_id=ended))
        OneCut.cuts = 2
        await graph_of(DIAMOND).ainvoke(INPUT, followed_by(mirror, workflow_execution_id=ended))
        assert not mirror.report(ended).caught_up
        await graph_of(DIAMOND).ainvoke(INPUT, followed_by(mirror, "other"))

    other = mirror.report("other")
    assert other.caught_up
    tables.check_complete(other.run_id)


async def test_a_database_that_stays_away_holds_nobody_up_for_long_and_the_report_says_why(
    own_servers, own_tables, caplog
):
    async def stop(_):
        await asyncio.to_thread(own_servers.server("embedded").stop)
        return 1

    caplog.set_level(logging.WARNING, logger="planner_graph")
    async with asyncio.timeout(30):
        async with PlanMirror(own_tables.dsn, settings=HASTY) as mirror:
            result = await graph_of(DIAMOND, a=stop).ainvoke(INPUT, followed_by(mirror))
            report = mirror.report("thread")

    assert result["result"]["status"] == "completed"
    assert not report.caught_up
    assert report.missing > 0
    assert str(report.problem).startswith("the database is away: ")
    assert f"the tables do not follow run {report.run_id} any more: the database is away: " in caplog.text
    after = mirror.report("thread")
    assert after.missing == report.missing
    assert after.problem == report.problem


async def test_closing_gives_up_after_the_time_of_a_flush_and_says_what_is_missing(own_servers, own_tables, caplog):
    async def stop(_):
        await asyncio.to_thread(own_servers.server("embedded").stop)
        return 1

    settings = MirrorSettings(flush_seconds=0.2, patience_seconds=600)
    async with asyncio.timeout(30):
        async with PlanMirror(own_tables.dsn, settings=settings) as mirror:
            await graph_of(DIAMOND, a=stop).ainvoke(INPUT, followed_by(mirror))
            report = mirror.report("thread")

    assert report.missing > 0
    assert "the database is away: " in str(report.problem)
    assert "the database is away: " in str(mirror.report("thread").problem)
    assert "the tables do not follow run" in caplog.text


async def test_after_a_longer_outage_other_runs_are_followed_again(own_servers, own_tables):
    async def stop(_):
        await asyncio.to_thread(own_servers.server("embedded").stop)
        return 1

    async with PlanMirror(own_tables.dsn, settings=HASTY.model_copy(update={"flush_seconds": 20})) as mirror:
        await graph_of(DIAMOND, a=stop).ainvoke(INPUT, followed_by(mirror, "cut"))
        await asyncio.to_thread(own_servers.server("embedded").start)
        await graph_of(DIAMOND).ainvoke(INPUT, followed_by(mirror, "new"))

        assert not mirror.report("cut").caught_up
        assert mirror.report("new").caught_up
        own_tables.check_complete(mirror.report("new").run_id)


async def test_a_server_that_answers_nothing_any_more_does_not_keep_the_mirror_from_closing(own_tables):
    stopped: list[int] = []

    async def freeze(_):
        await written(own_tables)
        for pid in mirrors(own_tables):
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
        return 1

    try:
        async with asyncio.timeout(60):
            async with PlanMirror(own_tables.dsn, settings=HASTY) as mirror:
                begin = time.monotonic()
                result = await graph_of(DIAMOND, a=freeze).ainvoke(INPUT, followed_by(mirror))
                took = time.monotonic() - begin
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

    assert stopped
    assert result["result"]["status"] == "completed"
    assert took < 10
    assert not mirror.report("thread").caught_up
    assert mirror.report("thread").problem


async def test_a_run_whose_row_is_deleted_in_the_middle_costs_no_other_run_anything(tables):
    ready, deleted = asyncio.Event(), asyncio.Event()

    async def delete(_):
        await ready.wait()
        await written(tables)
        [run_id] = [run for run in tables.runs() if tables.plan(run)["thread_id"] == "deleted"]
        tables.ask("DELETE FROM execution_plans WHERE workflow_execution_id = %s", run_id)
        deleted.set()
        return 1

    async def wait(_):
        ready.set()
        await deleted.wait()
        return 1

    async with PlanMirror(tables.dsn) as mirror:
        one, other = await asyncio.gather(
            graph_of(DIAMOND, b=delete).ainvoke(INPUT, followed_by(mirror, "deleted")),
            graph_of(DIAMOND, b=wait).ainvoke(INPUT, followed_by(mirror, "kept")),
        )

    assert one["result"]["status"] == other["result"]["status"] == "completed"
    gone = mirror.report("deleted")
    assert gone.problem == f"run {gone.run_id!r} is held by another process, or there is no such run any more"
    tables.check_complete(mirror.report("kept").run_id)


async def test_a_run_that_breaks_a_rule_of_the_database_costs_no_other_run_anything(tables):
    tables.ask("ALTER TABLE agent_runs ADD CHECK (agent_name <> 'forbidden')")
    agents = {"a": [], "forbidden": ["a"], "d": ["forbidden"]}
    async with PlanMirror(tables.dsn, settings=MirrorSettings(delay_seconds=0.1)) as mirror:
        runs = [graph_of(DIAMOND).ainvoke(INPUT, followed_by(mirror, f"thread {number}")) for number in range(10)]
        refused, *_ = await asyncio.gather(graph_of(agents).ainvoke(INPUT, followed_by(mirror, "refused")), *runs)

    assert refused["result"]["status"] == "completed"
    assert str(mirror.report("refused").problem).startswith("CheckViolation: ")
    for number in range(10):
        tables.check_complete(mirror.report(f"thread {number}").run_id)


async def test_a_thread_that_no_index_can_hold_is_refused_at_once_like_any_other(tables):
    async with PlanMirror(tables.dsn) as mirror:
        long = os.urandom(8_000).hex()
        await graph_of(DIAMOND).ainvoke(INPUT, followed_by(mirror, long))
        await graph_of(DIAMOND).ainvoke(INPUT, followed_by(mirror, "other"))

    assert str(mirror.report(long).problem).startswith("ProgramLimitExceeded: ")
    tables.check_complete(mirror.report("other").run_id)


async def test_a_fault_of_the_mirror_itself_costs_one_run(tables, monkeypatch):
    real = delivery._enter

    def enter(ledger, told):
        if any(entry.get("agent") == "odd" for entry in told if isinstance(entry, dict)):
            raise KeyError("odd")
        real(ledger, told)

    monkeypatch.setattr(delivery, "_enter", enter)
    async with PlanMirror(tables.dsn) as mirror:
        await asyncio.gather(
            graph_of({"odd": []}).ainvoke(INPUT, followed_by(mirror, "odd")),
            graph_of(DIAMOND).ainvoke(INPUT, followed_by(mirror, "other")),
        )

    assert mirror.report("odd").problem == "KeyError: 'odd'"
    tables.check_complete(mirror.report("other").run_id)


async def test_when_the_queue_is_full_agents_wait_and_nothing_is_dropped(tables):
    settings = MirrorSettings(queue_limit=5, delay_seconds=0)
    wide: dict[str, list[str]] = {"first": [], **{f"agent {number}": ["first"] for number in range(40)}}
    begun, at_work = asyncio.Event(), 0

    async def first(_):
        begun.set()
        await locked.wait()
        return 1

    async def work(_):
        nonlocal at_work
        at_work += 1
        return 1

    locked = asyncio.Event()
    async with PlanMirror(tables.dsn, settings=settings) as mirror:
        graph = graph_of(wide, **{name: work for name in wide if name != "first"}, first=first)
        task = asyncio.create_task(graph.ainvoke(INPUT, followed_by(mirror)))
        await begun.wait()
        async with await psycopg.AsyncConnection.connect(tables.dsn) as other:
            cursor = await other.execute("SELECT workflow_execution_id FROM execution_plans FOR UPDATE")
            while cursor.rowcount == 0:  # the row is still on its way
                await other.rollback()
                cursor = await other.execute("SELECT workflow_execution_id FROM execution_plans FOR UPDATE")
            locked.set()
            done, _ = await asyncio.wait({task}, timeout=0.5)
            assert not done
            assert mirror._writer is not None
            assert 5 <= len(mirror._writer._queue) <= 5 + len(wide)
            assert at_work < 40
        await task

    assert mirror.report("thread").caught_up
    tables.check_complete(mirror.report("thread").run_id, wide)


@pytest.mark.parametrize("how", ["invoke", "ainvoke"])
def test_if_its_thread_dies_invocations_end_all_the_same_and_reports_say_so(tables, monkeypatch, how, caplog):
    broken = False

    def drain(self):
        if broken:
            raise MemoryError("no room")
        return real(self)

    real = writer.MirrorWriter._drain
    monkeypatch.setattr(writer.MirrorWriter, "_drain", drain)

    def break_it(_):
        nonlocal broken
        broken = True
        return 1

    def go(mirror, name):
        graph = graph_of(DIAMOND, a=break_it)
        if how == "invoke":
            return graph.invoke(INPUT, followed_by(mirror, name))
        return asyncio.run(graph.ainvoke(INPUT, followed_by(mirror, name)))

    with PlanMirror(tables.dsn) as mirror:
        for name in ("first", "second"):
            assert within(20, go, mirror, name)["result"]["status"] == "completed"
            report = mirror.report(name)
            assert not report.caught_up
            assert report.problem == "the mirror broke: MemoryError: no room"
        assert mirror.broken
    assert "the mirror ended" in caplog.text


async def test_a_mirror_that_is_closed_while_a_run_goes_on_lets_it_go_on(tables):
    reached, closed = asyncio.Event(), asyncio.Event()

    async def wait(_):
        reached.set()
        await closed.wait()
        return 1

    async with PlanMirror(tables.dsn) as mirror:
        task = asyncio.create_task(graph_of(DIAMOND, b=wait).ainvoke(INPUT, followed_by(mirror)))
        await reached.wait()
    closed.set()
    result = await task

    assert result["result"]["status"] == "completed"
    report = mirror.report("thread")
    assert not report.caught_up
    assert report.problem == "the mirror is closed"
