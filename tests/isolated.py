"""Bodies for processes of their own, which import them from here."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path

from planner_graph import current_agent


def gives_its_inputs(inputs):
    return {"inputs": inputs, "process": os.getpid()}


def knows_its_context(inputs, context):
    assert inputs["campaign"]
    return [context.agent, context.run_id, context.attempt, context.idempotency_key, current_agent() == context]


async def is_async(_, context):
    await asyncio.sleep(0)
    return [current_agent().agent, context.attempt]


def gives_a_date(_):
    return {"a": date(2030, 1, 1)}


def gives_bytes(_):
    return b"raw"


def gives_much(_):
    return "x" * 20_000_000


def prints(_):
    print("to the output")  # noqa: T201  # what is tested
    print("to the errors", file=sys.stderr)  # noqa: T201
    return 1


def reads_its_input(_):
    return sys.stdin.read()


class TeapotError(Exception):
    def __init__(self):
        self.status_code = 418
        super().__init__("short and stout")


class BusyError(TeapotError):
    def __init__(self):
        super().__init__()
        self.status_code = 429
        self.retry_after = 7


def is_a_teapot(_):
    raise TeapotError


def is_busy_once(_, context):
    if context.attempt == 1:
        raise BusyError
    return context.attempt


def raises_a_group(_):
    raise ExceptionGroup("two", [ConnectionError("reset"), KeyError("k")])


def exits(_):
    sys.exit(3)


def forks(_):
    os.fork()
    return "x" * 3_000_000


def vanishes(_):
    os.system("sleep 20 &")  # noqa: S605  # holds whatever it could inherit
    os._exit(3)


def is_killed_once(_, context):
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return context.attempt


def note_and_sleep(inputs):
    """Write down this process and one that it started, then sleep for longer than any test."""
    child = subprocess.Popen(["sleep", "600"])
    _note(inputs, f"{os.getpid()} {child.pid}")
    time.sleep(600)


async def note_and_sleep_async(inputs):
    _note(inputs, str(os.getpid()))
    await asyncio.sleep(600)


def note_and_keep_the_interpreter(inputs):
    """Sleep with the interpreter's lock held: no other thread of this process can do anything."""
    _note(inputs, str(os.getpid()))
    ctypes.PyDLL(None).sleep(600)


def leaves_a_thread_and_a_process(inputs):
    threading.Thread(target=time.sleep, args=[600], daemon=True).start()
    child = subprocess.Popen(["sleep", "600"])
    _note(inputs, str(os.getpid()))
    return child.pid


def _note(inputs, text):
    path = Path(inputs["configuration"]["note"])
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


class Bodies:
    @staticmethod
    def static(_):
        return "static"

    def method(self, _): ...


def gives_colliding_keys(_):
    return {"a": [{1: "one", "1": "text one"}]}


def gives_an_undeclared_key(_):
    return {"a": (1, 2), "more": 3}


def gives_odd_values(_):
    return {"a": ["a\0b", 2**64 - 1, -(2**63)]}


def knows_its_config(inputs, config, context):
    assert (context.agent, inputs["configuration"]) == ("a", {})
    given = config["configurable"]
    return [given["thread_id"], sorted(given), config["tags"], config["metadata"]["team"]]


class OwnError(BaseException):
    pass


def raises_its_own_base_exception(_):
    raise OwnError("mine")


def raises_keyboard_interrupt(_):
    raise KeyboardInterrupt
