"""The values in checkpoints: what is written is read again as it was, and no bytes call what is not allowed."""

import json
import pickle
import re
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import ip_address
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import ormsgpack
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, Interrupt, Overwrite, Send
from pydantic import SecretStr

from planner_graph.errors import AllowedTypeError, CheckpointUnreadableError, UnstorableValueError
from planner_graph.serializer import CheckpointSerializer
from tests.stored_types import Colour, Derived, Draft, Order, Outer, Place

OWN = [Draft, Order, Place, Colour, Derived]

PLAIN = [
    None,
    True,
    -5,
    2**63,
    1.5,
    "text",
    b"bytes",
    bytearray(b"array"),
    [1, [2, {"a": None}]],
    {"a": {"b": [1]}, 3: "three"},
    {None: 1, 1.5: 2, b"c": 3, (1, 2): 4},
    {1, 2},
    frozenset({"a"}),
    deque([1, 2]),
    datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    datetime(2026, 3, 1, 9, 30, tzinfo=ZoneInfo("Europe/Berlin")),
    date(2026, 3, 1),
    time(9, 30, tzinfo=UTC),
    timedelta(days=1, seconds=2),
    UTC,
    ZoneInfo("Europe/Berlin"),
    uuid.UUID(int=5),
    Decimal("1.10"),
    Path("/srv/a"),
    ip_address("10.0.0.1"),
    ip_address("::1"),
    re.compile("a+", re.IGNORECASE),
    HumanMessage("hello", id="1"),
    AIMessage("well", tool_calls=[{"name": "f", "args": {"a": 1}, "id": "2"}]),
    ToolMessage("done", tool_call_id="2"),
    Document(page_content="text", metadata={"a": 1}),
    Interrupt(value={"a": [1]}, id="i"),
    (Interrupt(value=Path("/a"), id="i"),),
    Command(resume={"a": 1}, goto="b"),
    Overwrite([1]),
]


class Level(IntEnum):
    """How much, as a number."""

    HIGH = 3


class Side(Enum):
    """Where, as a text that is not equal to it."""

    LEFT = "l"


NESTED = {"top": lambda x: x, "list": lambda x: [1, x], "map": lambda x: {"a": {"b": [x]}}}
FUNCTIONS = [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "getoutput")]
NO_INTERRUPT = ormsgpack.packb(["langgraph.types", "Interrupt", {"no": 1}])
OBJECTS = ormsgpack.packb(["O", [1], "C", b"12345678"])
ENVELOPES = {
    "function": ["os", "system"],
    "model": ["langchain", "llms", "openai", "OpenAI"],
    "prompt": ["langchain_core", "prompts", "prompt", "PromptTemplate"],
    "nothing": [],
}
HUMAN = ["langchain", "schema", "messages", "HumanMessage"]


def attack(path, *, code=0, name=("os", "system")):
    """Give bytes of a value that run a command when LangGraph's serializer reads it; it makes a file."""
    command = f"touch {path}"
    argument = {0: command, 1: [command], 2: {"command": command}, 3: command, 4: {"command": command}}
    parts = [*name, argument.get(code, {"command": command}), "system"]
    return ormsgpack.Ext(code, ormsgpack.packb(parts[:3] if code != 3 else ["os", "path", command, "abspath"]))


def read(value, allowed=()):
    return CheckpointSerializer(allowed).loads_typed(("msgpack", ormsgpack.packb(value)))


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: f"{type(value).__name__}")
def test_plain_values_messages_and_langgraphs_own_types_come_back_as_they_were(value):
    serializer = CheckpointSerializer()
    back = serializer.loads_typed(serializer.dumps_typed({"v": [value]} if value is not None else value))
    found = back["v"][0] if value is not None else back
    assert found == (list(value) if isinstance(value, tuple) else value)
    assert type(found) is type(value) or isinstance(value, tuple | bytearray)


def test_a_send_and_an_array_come_back():
    serializer = CheckpointSerializer()
    sent = serializer.loads_typed(serializer.dumps_typed([Send("a", {"x": 1}), Send("b", 2, timeout=3)]))
    assert sent == [Send("a", {"x": 1}), Send("b", 2, timeout=3)]
    for array in (np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3), dtype="float32"))):
        back = serializer.loads_typed(serializer.dumps_typed({"a": array}))["a"]
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: f"{type(value).__name__}")
def test_the_format_is_langgraphs(value):
    ours, theirs = CheckpointSerializer(), JsonPlusSerializer(allowed_msgpack_modules=None)
    assert ours.dumps_typed(value) == theirs.dumps_typed(value)


@pytest.mark.parametrize(
    "value", [Draft("a", 3), Order(customer="b", drafts=[Draft("c")]), Place(1, 2), Colour.RED, [{"a": Place(1, 2)}]]
)
def test_named_types_come_back(value):
    serializer = CheckpointSerializer(["tests.stored_types:Draft", Order, Place, Colour])
    assert serializer.loads_typed(serializer.dumps_typed(value)) == value
    back = serializer.loads_typed(serializer.dumps_typed([value]))[0]
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("value", "allowed", "path", "says"),
    [
        (Draft("a"), [], (), "tests.stored_types:Draft is not allowed in checkpoints; use plain data, or name"),
        ({"a": [1, {"b": Draft("a")}]}, [], ("a", 1, "b"), "a[1].b: a tests.stored_types:Draft is not allowed"),
        (Order(customer="x", drafts=[Draft("a")]), [], (), "tests.stored_types:Order is not allowed"),
        ([Colour.RED], [], (0,), "tests.stored_types:Colour is not allowed"),
        ([Place(1, 2)], [], (0,), "tests.stored_types:Place is not allowed"),
        ([Place(1, Draft("a"))], [Place], (0, "column"), "[0].column: a tests.stored_types:Draft"),
        ([Interrupt(value={"q": Draft("a")}, id="i")], [], (0, "value", "q"), "tests.stored_types:Draft"),
        ([Send("a", {"q": Draft("a")})], [], (0, "arg", "q"), "tests.stored_types:Draft"),
        (Command(update={"q": Draft("a")}), [], ("update", "q"), "tests.stored_types:Draft"),
        ([Derived()], OWN, (0,), "cannot be built again from what it says"),
        ([Outer.Inner("a")], [], (0,), "a tests.stored_types:Outer.Inner cannot be stored"),
        ({"a": object()}, [], ("a",), "builtins:object"),
        ({"a": 2**70}, [], ("a",), "a: an integer beyond 64 bits cannot be stored; write it as text"),
        ({"a": Level.HIGH}, [], ("a",), "a: a tests.unit.test_serializer:Level is not allowed"),
        ({"a": {Side.LEFT: 1}}, [Side], ("a",), "a: its key <Side.LEFT: 'l'> does not come back as it is; use text"),
        ([{"b": 1, date(2026, 3, 1): 2}], [], (0,), "its key datetime.date(2026, 3, 1) does not come back"),
        ({uuid.UUID(int=5): 1}, [], (), "its key UUID('00000000-0000-0000-0000-000000000005') does not come back"),
        ({2**70: 1}, [], (), "its key 1180591620717411303424 does not come back"),
        ({"a": np.array([object()])}, [], ("a",), "numpy:ndarray"),
        ([SecretStr("x")], [], (0,), "pydantic.types:SecretStr is not allowed"),
        ({"a": lambda: 1}, [], ("a",), "cannot be stored"),
        ({"a": open}, [], ("a",), "cannot be stored"),
    ],
)
def test_what_could_not_be_read_again_is_refused_with_its_path(value, allowed, path, says):
    faults: list[UnstorableValueError] = []
    with pytest.raises(UnstorableValueError) as caught:
        CheckpointSerializer(allowed, on_fault=faults.append).dumps_typed(value)
    assert caught.value.path == path
    assert says in str(caught.value)
    assert faults == [caught.value]


def test_a_local_class_is_refused_and_one_that_holds_itself_ends():
    @dataclass
    class Local:
        title: str

    with pytest.raises(UnstorableValueError, match="cannot be stored"):
        CheckpointSerializer().dumps_typed([Local("a")])
    with pytest.raises(UnstorableValueError, match="nowhere:Lost cannot be stored"):
        CheckpointSerializer().dumps_typed([type("Lost", (), {"__module__": "nowhere"})()])
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(UnstorableValueError):
        CheckpointSerializer().dumps_typed(loop)


def test_an_error_is_kept_as_text():
    serializer = CheckpointSerializer()
    assert serializer.loads_typed(serializer.dumps_typed(ValueError("no"))) == "ValueError('no')"


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize(
    "nested", [lambda x: x, lambda x: [1, x], lambda x: {"a": {"b": [x]}}], ids=["top", "list", "map"]
)
@pytest.mark.parametrize(
    "name", [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "getoutput")]
)
def test_bytes_that_name_a_function_do_not_run_it(tmp_path, code, nested, name):
    made = tmp_path / "made"
    with pytest.raises(CheckpointUnreadableError) as caught:
        read(nested(attack(made, code=code, name=name)), allowed=OWN)
    assert not made.exists()
    assert caught.value.code in {"foreign_type", "damaged"}


def test_the_attack_is_one():
    """LangGraph's serializer runs such a command, so that the other tests guard something."""
    content = ormsgpack.packb([ormsgpack.Ext(0, ormsgpack.packb(["builtins", "len", "four"]))])
    assert JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(("msgpack", content)) == [4]


@pytest.mark.parametrize("code", [2, 7])
def test_an_attack_within_an_allowed_value_does_not_run(tmp_path, code):
    made = tmp_path / "made"
    for name in (("os", "system"), ("tests.stored_types", "Draft")):
        value = attack(made, name=name)
        parts = ["langgraph.types", "Interrupt", {"value": value, "id": "i"}] if code == 2 else [value]
        within = ormsgpack.Ext(code, ormsgpack.packb(parts))
        with pytest.raises(CheckpointUnreadableError, match=f"{name[0]}:{name[1]} called, which is not allowed"):
            read([within])
    assert not made.exists()


def test_naming_a_function_allows_nothing(tmp_path):
    made = tmp_path / "made"
    with pytest.raises(CheckpointUnreadableError, match="not allowed"):
        read([attack(made)], allowed=["os:system"])
    assert not made.exists()


class Attack:
    def __init__(self, made):
        self.made = made

    def __reduce__(self):
        return open, (str(self.made), "w")


def test_a_pickle_is_never_read(tmp_path):
    made = tmp_path / "made"
    with pytest.raises(CheckpointUnreadableError, match="a pickle, which may run any code") as caught:
        CheckpointSerializer().loads_typed(("pickle", pickle.dumps(Attack(made))))
    assert caught.value.code == "unknown_format"
    assert not made.exists()


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("name", ENVELOPES.values(), ids=ENVELOPES)
def test_json_builds_nothing_that_is_not_allowed(number, name, tmp_path):
    made = tmp_path / "made"
    envelope = {"lc": number, "type": "constructor", "id": name, "args": [f"touch {made}"], "kwargs": {}}
    for value in (envelope, {"a": [envelope]}):
        with pytest.raises(CheckpointUnreadableError) as caught:
            CheckpointSerializer().loads_typed(("json", json.dumps(value).encode()))
        assert caught.value.code == "foreign_type"
    assert not made.exists()


def test_json_gives_no_secret_of_the_environment(monkeypatch):
    monkeypatch.setenv("SHOP_KEY", "xyz")
    content = json.dumps({"lc": 1, "type": "secret", "id": ["SHOP_KEY"]}).encode()
    with pytest.raises(CheckpointUnreadableError):
        CheckpointSerializer().loads_typed(("json", content))


def test_json_of_old_checkpoints_is_read():
    serializer = CheckpointSerializer()
    assert serializer.loads_typed(("json", b'{"a": [1, null], "lc": 3}')) == {"a": [1, None], "lc": 3}
    message = {
        "lc": 1,
        "type": "constructor",
        "id": HUMAN,
        "kwargs": {"content": "a"},
    }
    assert serializer.loads_typed(("json", json.dumps(message).encode())) == HumanMessage("a")
    moment = {"lc": 2, "type": "constructor", "id": ["datetime", "date"], "args": [2026, 3, 1], "kwargs": {}}
    assert serializer.loads_typed(("json", json.dumps(moment).encode())) == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("kind", "content", "code"),
    [
        ("msgpack", b"\xc1", "damaged"),
        ("msgpack", b"", "damaged"),
        ("msgpack", ormsgpack.packb({"a": "b" * 100})[:-5], "damaged"),
        ("msgpack", ormsgpack.packb(ormsgpack.Ext(2, b"\xff")), "damaged"),
        ("msgpack", ormsgpack.packb(ormsgpack.Ext(100, b"\x90")), "damaged"),
        (
            "msgpack",
            ormsgpack.packb(ormsgpack.Ext(2, NO_INTERRUPT)),
            "damaged",
        ),
        ("msgpack", ormsgpack.packb(ormsgpack.Ext(6, OBJECTS)), "damaged"),
        ("msgpack", b"\x91" * 5000 + b"\x90", "damaged"),
        ("json", b"{", "damaged"),
        ("json", b"\xff\xfe", "damaged"),
        ("msgpack+aes", b"\x90", "unknown_format"),
        ("msgpuck", b"\x90", "unknown_format"),
        ("", b"", "unknown_format"),
    ],
)
def test_damage_is_an_error_with_a_code(kind, content, code):
    with pytest.raises(CheckpointUnreadableError) as caught:
        CheckpointSerializer().loads_typed((kind, content))
    assert caught.value.code == code
    assert str(caught.value).startswith("the checkpoint cannot be read: ")


@pytest.mark.parametrize(
    "given", ["", "Draft", "shop.models", "a:b:c", "a b:C", ":C", "a:", 5, Outer.Inner, type("Local", (), {})]
)
def test_what_names_no_type_is_refused(given):
    with pytest.raises(AllowedTypeError, match="cannot be used"):
        CheckpointSerializer([given])


def test_what_a_graph_declares_is_not_allowed_by_that():
    serializer = CheckpointSerializer()
    assert serializer.with_msgpack_allowlist([Draft]) is serializer
    assert serializer.allowing([("tests.stored_types", "Draft")]).dumps_typed(Draft("a"))[0] == "msgpack"
