"""A body in a process of its own: what reaches it, what comes back, and that it is really stopped."""

import asyncio
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from planner_graph.compiler.child import frame
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.current import AgentContext
from planner_graph.errors import AgentBindingError
from planner_graph.types import AgentName
from tests import isolated, isolated_models
from tests.catalogs import spec
from tests.fakes import INPUT, FakeClock, planned, run, thread
from tests.subgraphs import subgraph

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are isolated on POSIX only")

HOW = ("invoke", "ainvoke")
LONG = 60.0
ROOT = Path(__file__).parents[2]


def graph_of(body, clock=None, **fields):
    plan = planned(spec("a", **{"isolation": "process", "max_retries": 0, **fields}))
    return compile_plan(plan, {"a": body}, clock=clock or FakeClock())


def record_of(body, *, how="ainvoke", clock=None, **fields):
    return run(graph_of(body, clock, **fields), config=thread("t-1"), how=how)["a"]


def is_alive(pid):
    """Tell whether a process runs; one that has ended but was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(condition):
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it never happened")


def noted(path):
    return [int(pid) for pid in eventually(lambda: path.exists() and path.read_text()).split()]


@pytest.mark.parametrize("how", HOW)
def test_the_inputs_reach_the_process_and_the_output_comes_back(how):
    record = record_of(isolated.gives_its_inputs, how=how, configuration={"é": [1.5, None, {"x": True}]})
    assert record["status"] == "completed"
    given = record["output"]["a"]
    assert given["inputs"] == {"campaign": {"id": "campaign"}, "configuration": {"é": [1.5, None, {"x": True}]}}
    assert given["process"] != os.getpid()


@pytest.mark.parametrize("how", HOW)
def test_the_context_reaches_the_process(how):
    *known, same = record_of(isolated.knows_its_context, how=how)["output"]["a"]
    assert known[:3] == ["a", "t-1", 1]
    assert len(known[3]) == 64
    assert same is True


def test_the_key_is_the_one_that_the_body_would_have_in_this_process():
    plan = planned(spec("a"))
    here = run(compile_plan(plan, {"a": isolated.knows_its_context}), config=thread("t-1"))["a"]
    assert record_of(isolated.knows_its_context)["output"] == here["output"]


def test_an_async_body_runs_in_a_process_too():
    assert record_of(isolated.is_async)["output"] == {"a": ["a", 1]}


def test_a_static_method_can_be_imported_by_its_name():
    assert record_of(isolated.Bodies.static)["output"] == {"a": "static"}


def test_outputs_become_plain_json_or_are_refused_as_in_this_process():
    assert record_of(isolated.gives_a_date)["output"] == {"a": "2030-01-01"}
    record = record_of(isolated.gives_bytes, max_retries=5)
    message = "output of agent 'a': bytes are not JSON; return text, or binary data as a data URI"
    assert (record["error"], record["attempts"]) == ({"type": "OutputError", "message": message}, 1)


def test_a_large_output_comes_back_whole():
    assert len(record_of(isolated.gives_much)["output"]["a"]) == 20_000_000


def test_a_copy_of_the_process_that_the_body_makes_does_not_answer_for_it():
    """Seen to fail where both answer: what came over was one answer within the other."""
    assert len(record_of(isolated.forks)["output"]["a"]) == 3_000_000


def test_what_the_process_prints_goes_where_this_one_prints(capfd):
    record_of(isolated.prints)
    assert capfd.readouterr() == ("to the output\n", "to the errors\n")


def test_the_body_has_no_input_to_read():
    assert record_of(isolated.reads_its_input)["output"] == {"a": ""}


def test_errors_come_back_with_their_type_and_message():
    record = record_of(isolated.is_a_teapot, max_retries=3)
    assert record["error"] == {"type": "TeapotError", "message": "short and stout"}
    assert record["reason"] == "TeapotError after 1 attempt: short and stout"  # a status below 500 is final


def test_what_decides_about_another_attempt_comes_back_too():
    clock = FakeClock()
    assert record_of(isolated.is_busy_once, clock=clock, max_retries=1)["output"] == {"a": 2}
    assert clock.slept == [7]
    assert record_of(isolated.raises_a_group, max_retries=3)["attempts"] == 1
    assert record_of(isolated.is_a_teapot, max_retries=1, retry_on=["tests.isolated.TeapotError"])["attempts"] == 2
    assert record_of(isolated.is_busy_once, max_retries=1, do_not_retry=["tests.isolated.TeapotError"])["attempts"] == 1


def test_a_body_that_exits_fails_alone():
    message = "agent 'a' called exit(3); raise an error instead"
    assert record_of(isolated.exits)["error"] == {"type": "BodyExitedError", "message": message}


def test_a_process_that_ends_without_an_answer_is_a_failed_attempt_that_says_so():
    message = "the process of agent 'a' ended with exit code 3 before it gave a result"
    assert record_of(isolated.vanishes, timeout_seconds=10)["error"] == {"type": "BodyProcessError", "message": message}


def test_a_killed_process_is_a_failed_attempt_that_says_so_and_is_tried_again():
    message = (
        "the process of agent 'a' was stopped by SIGKILL before it gave a result; "
        "the operating system does that when memory runs out"
    )
    assert record_of(isolated.is_killed_once)["error"] == {"type": "BodyProcessError", "message": message}
    assert record_of(isolated.is_killed_once, max_retries=1)["output"] == {"a": 2}


@pytest.mark.parametrize(
    ("body", "how"),
    [
        (isolated.note_and_sleep, "invoke"),
        (isolated.note_and_sleep, "ainvoke"),
        (isolated.note_and_sleep_async, "ainvoke"),
        (isolated.note_and_keep_the_interpreter, "ainvoke"),
    ],
)
def test_when_its_time_is_up_the_process_is_gone_with_those_it_started(body, how, tmp_path):
    note = tmp_path / "note"
    record = record_of(body, how=how, timeout_seconds=2, configuration={"note": str(note)})
    assert record["reason"] == "TimeoutError after 1 attempt: no result within 2 s"
    first, *others = noted(note)
    assert not is_alive(first)
    for other in others:
        eventually(lambda pid=other: not is_alive(pid))


async def test_cancelling_the_run_ends_the_process(tmp_path):
    note = tmp_path / "note"
    graph = graph_of(isolated.note_and_sleep, configuration={"note": str(note)})
    running = asyncio.create_task(graph.ainvoke(INPUT))
    pids = await asyncio.to_thread(noted, note)
    assert all(map(is_alive, pids))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_alive(pids[0])


def test_what_a_body_leaves_behind_does_not_keep_its_agent_waiting(tmp_path):
    note = tmp_path / "note"
    record = record_of(isolated.leaves_a_thread_and_a_process, configuration={"note": str(note)}, timeout_seconds=LONG)
    assert record["status"] == "completed"
    assert not is_alive(noted(note)[0])
    os.kill(record["output"]["a"], signal.SIGKILL)


PARENT = """
import sys
from planner_graph.compiler.compiler import compile_plan
from tests import isolated
from tests.catalogs import spec
from tests.fakes import INPUT, planned

plan = planned(spec("a", isolation="process", configuration={"note": sys.argv[2]}))
compile_plan(plan, {"a": getattr(isolated, sys.argv[1])}).invoke(INPUT)
"""


@pytest.mark.parametrize("body", ["note_and_sleep", "note_and_keep_the_interpreter"])
def test_the_process_dies_with_its_parent_even_if_that_is_killed(body, tmp_path):
    if body == "note_and_keep_the_interpreter" and sys.platform != "linux":
        pytest.skip("only Linux tells a process whose own threads stand still")
    note = tmp_path / "note"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, body, str(note)], cwd=ROOT)
    pid, *others = noted(note)
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    eventually(lambda: not is_alive(pid))
    for other in others:
        with suppress(ProcessLookupError):  # it was killed, too, unless the system was quicker to kill its parent
            os.kill(other, signal.SIGKILL)


def test_the_process_ends_with_those_it_started_when_nobody_waits_for_it_any_more(tmp_path):
    note, (ours, theirs) = tmp_path / "note", socket.socketpair()
    start = f"from planner_graph.compiler.child import main; main({theirs.fileno()}, {os.getpid()})"
    context = AgentContext(agent=AgentName("a"), run_id="", attempt=1, idempotency_key="", timeout_seconds=1)
    place: dict[str, Any] = {
        "module": "tests.isolated",
        "file": None,
        "name": "note_and_sleep",
        "positional": ["inputs"],
        "keywords": {},
    }
    request = {**place, "config": {}, "inputs": {"configuration": {"note": str(note)}}, "context": asdict(context)}
    child = subprocess.Popen([sys.executable, "-c", start], cwd=ROOT, pass_fds=[theirs.fileno()], process_group=0)
    theirs.close()
    ours.sendall(frame(request))
    pids = noted(note)
    assert all(map(is_alive, pids))
    ours.close()
    assert child.wait(LONG) == -signal.SIGKILL
    eventually(lambda: not is_alive(pids[1]))


def test_what_models_use_in_the_process_is_counted_over_all_attempts():
    counts = {"input_tokens": 20, "output_tokens": 10, "total_tokens": 30, "calls": 2}
    record = record_of(isolated_models.asks_a_model, max_retries=1)
    assert record["usage"] == {**counts, "cost_usd": None, "models": {"m": counts}}
    assert record_of(isolated.prints)["usage"] is None


def inner():
    def local(_): ...

    return local


REFUSED = {
    "lambda": (lambda _: 1, "by its name; bind a function that stands at the top level of a module"),
    "local function": (inner(), "by its name; bind a function that stands at the top level of a module"),
    "bound method": (isolated.Bodies().method, "by its name; bind a function"),
    "partial": (functools.partial(isolated.prints), "by its name; bind a function"),
    "runnable": (
        RunnableLambda(isolated.prints),
        "isolation: process is for functions, and this is a RunnableLambda; call it in a function, or leave",
    ),
    "graph": (subgraph(isolated.prints), "is for functions, and this is a CompiledStateGraph"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_body_that_no_other_process_can_import_is_refused_when_the_plan_is_compiled(kind):
    body, message = REFUSED[kind]
    with pytest.raises(AgentBindingError, match=r"agent binding 'a'") as refused:
        graph_of(body)
    assert message in str(refused.value)


def test_a_function_of_the_program_itself_is_refused(monkeypatch):
    monkeypatch.setattr(isolated.prints, "__module__", "__main__")
    with pytest.raises(AgentBindingError, match="from the program that was started; move it into a module of its own"):
        graph_of(isolated.prints)


def test_a_module_that_goes_by_no_name_on_the_path_is_read_from_its_file(tmp_path, monkeypatch):
    path = tmp_path / "agents.py"
    path.write_text("def body(_):\n    return __name__\n")
    found = spec_from_file_location("agents_0123456789ab", path)
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert record_of(module.body)["output"] == {"a": "agents_0123456789ab"}


def test_what_it_gives_is_checked_as_elsewhere():
    failed = record_of(isolated.gives_colliding_keys)
    assert failed["reason"] == (
        "OutputError after 1 attempt: output of agent 'a': a[0]: the keys 1 and '1' are both '1' in JSON; "
        "give them different names"
    )
    assert record_of(isolated.gives_odd_values)["output"] == {"a": ["a\0b", 2**64 - 1, -(2**63)]}
    assert record_of(isolated.gives_an_undeclared_key)["output"] == {"a": [1, 2]}
    events = list(graph_of(isolated.gives_an_undeclared_key).stream(INPUT, stream_mode="custom"))
    assert [event["event"] for event in events] == ["agent_started", "agent_warning", "agent_ended"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (isolated.raises_its_own_base_exception, "OwnError after 1 attempt: mine"),
        (isolated.raises_keyboard_interrupt, "KeyboardInterrupt after 1 attempt"),
    ],
)
def test_what_is_no_exception_fails_the_agent_from_there_too(body, reason):
    assert record_of(body)["reason"] == reason
