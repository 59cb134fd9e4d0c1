"""What a body may give back, and what becomes of it."""

import json
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from langchain_core.messages import AIMessage
from langgraph.types import Command
from pydantic import BaseModel, SecretBytes, SecretStr

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.output import check_output
from planner_graph.errors import OutputError
from tests.catalogs import spec
from tests.fakes import planned, run, step_of

ONE = step_of(planned(spec("writer", gives=["draft"])), "writer")
TWO = step_of(planned(spec("writer", gives=["draft", "title"])), "writer")


class Colour(Enum):
    RED = "red"


class Page(BaseModel):
    title: str
    written: date


@dataclass
class Point:
    x: int
    page: Page


class Loose(BaseModel):
    held: Any


class Word(str):
    __slots__ = ()


def refusal(given, step=ONE):
    with pytest.raises(OutputError) as caught:
        check_output(step, given)
    assert caught.value.agent == "writer"
    return str(caught.value).removeprefix("output of agent 'writer': ")


def values(step, given):
    return check_output(step, given).values


@pytest.mark.parametrize("given", ["text", 7, 1.5, True, None, ["a"], [], {}, {"other": 1}])
def test_a_single_output_may_be_given_bare(given):
    assert values(ONE, given) == {"draft": given}


def test_a_single_output_may_be_given_by_name():
    assert values(ONE, {"draft": "text"}) == {"draft": "text"}


def test_several_outputs_are_given_by_name_and_kept_in_the_declared_order():
    assert list(values(TWO, {"title": "t", "draft": "d"}).items()) == [("draft", "d"), ("title", "t")]


@pytest.mark.parametrize("step", [ONE, TWO])
def test_keys_that_the_agent_does_not_declare_are_left_out(step):
    given = {"draft": "d", "title": "t", "campaign": {}, "scratch": 1}
    assert values(step, given) == {name: given[name] for name in step.outputs}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Page(title="t", written=date(2030, 1, 2)), {"title": "t", "written": "2030-01-02"}),
        (
            Point(x=1, page=Page(title="t", written=date(2030, 1, 2))),
            {"x": 1, "page": {"title": "t", "written": "2030-01-02"}},
        ),
        (datetime(2030, 1, 2, 3, tzinfo=UTC), "2030-01-02T03:00:00Z"),
        (timedelta(minutes=1), "PT1M"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (Path("a/b"), "a/b"),
        ((1, (2, 3)), [1, [2, 3]]),
        ({1: "one"}, {"1": "one"}),
    ],
)
def test_models_dates_and_the_like_become_json(given, expected):
    assert values(ONE, given) == {"draft": expected}


def test_a_message_becomes_its_fields():
    output = values(ONE, AIMessage("hello"))["draft"]
    assert (output["type"], output["content"]) == ("ai", "hello")
    assert json.loads(json.dumps(output)) == output


@pytest.mark.parametrize("given", [Word("a"), AIMessage("a").text])
def test_texts_of_a_special_class_become_plain_ones(given):
    assert type(values(ONE, given)["draft"]) is str


def test_the_output_shares_nothing_with_what_the_body_gave():
    given = {"draft": ["a"]}
    output = values(ONE, given)
    given["draft"].append("b")
    assert output == {"draft": ["a"]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"abc", "bytes are not JSON; return text, or binary data as a data URI"),
        (b"\x89PNG\xff", "bytes are not JSON; return text, or binary data as a data URI"),
        (
            {"draft": {"image": [bytearray(b"x")]}},
            "draft.image[0]: bytes are not JSON; return text, or binary data as a data URI",
        ),
        ({3, 1, 2}, "a set has no order; return sorted(...) of it"),
        (frozenset(), "a set has no order; return sorted(...) of it"),
        ((word for word in "ab"), "an iterator is not JSON; return list(...) of it"),
        (Command(goto="editor"), "a Command cannot steer a plan; return outputs, the plan says who is next"),
        (float("nan"), "nan is not a JSON number; return a finite number, or None"),
        ([1.0, float("-inf")], "[1]: -inf is not a JSON number; return a finite number, or None"),
        (2**64, "an integer has more than 64 bits; return it as text"),
        ({"a": [-(2**63) - 1]}, "a[0]: an integer has more than 64 bits; return it as text"),
        ({"a": "\ud83d"}, "a: the text holds half a surrogate pair, which UTF-8 cannot store; remove it"),
        (
            {"a": {"é\udc00": 1}},
            "a.'é\\udc00': the text holds half a surrogate pair, which UTF-8 cannot store; remove it",
        ),
        ({"a": 1j}, "a: a complex number is not JSON; return [x.real, x.imag]"),
        ({"a": Decimal("NaN")}, "a: NaN is not a JSON number; return a finite number, or None"),
        ({"a": {b"k": 1}}, "a: the key b'k' is bytes, which are not JSON; use text"),
        ({"a": {frozenset(): 1}}, "a: the key frozenset() is not JSON; use text"),
        ({"a": {10**5000: 1}}, "a: a key has too many digits; use text"),
        (deque([1, {"b": 2**64}]), "[1].b: an integer has more than 64 bits; return it as text"),
        (SecretStr("x"), "JSON would have stars in the place of a secret; return .get_secret_value() of it"),
        (
            Loose(held=[SecretBytes(b"x")]),
            "held[0]: JSON would have stars in the place of a secret; return .get_secret_value() of it",
        ),
        (object, "Unable to serialize unknown type: <class 'type'>; return plain JSON values"),
        (range(3), "Unable to serialize unknown type: <class 'range'>; return plain JSON values"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place_and_what_to_do(given, message):
    assert refusal(given) == message


def test_everything_that_is_not_json_is_told_at_once():
    given = {"draft": [b"x", {1}], "title": b"y"}
    assert refusal(given, TWO).split("; ")[::2] == [
        "draft[0]: bytes are not JSON",
        "draft[1]: a set has no order",
        "title: bytes are not JSON",
    ]


def test_a_model_that_holds_a_set_is_refused_too():
    class Tags(BaseModel):
        tags: set[str]

    assert refusal({"page": Tags(tags={"a"})}) == "page.tags: a set has no order; return sorted(...) of it"


def test_what_is_nested_very_deeply_is_refused_and_keeps_nobody_waiting():
    """Seen to fail where each item is kept with its whole path: other agents of the run stood still for a minute."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    began = time.process_time()
    assert refusal(deep).endswith("[0]: nested deeper than 50 levels; flatten it")
    assert time.process_time() - began < 20


def test_a_circle_is_refused():
    circle: dict[str, Any] = {}
    circle["self"] = circle
    circle["again"] = [circle, {"deeper": circle}]
    assert refusal(circle).split("; ")[::2] == [
        "self: it holds itself",
        "again[0]: it holds itself",
        "again[1].deeper: it holds itself",
    ]


def test_what_is_there_twice_is_no_circle():
    once = {"a": [1]}
    assert values(ONE, {"draft": [once, once]}) == {"draft": [once, once]}


def test_nesting_without_end_is_refused():
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    assert refusal(deep).endswith("nested deeper than 50 levels; flatten it")
    shallow: list[Any] = []
    for _ in range(60):
        shallow = [shallow]
    assert refusal(shallow).endswith("nested deeper than 50 levels; flatten it")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("text", "str is no mapping; return a dict with the keys 'draft', 'title'"),
        (None, "NoneType is no mapping; return a dict with the keys 'draft', 'title'"),
        ({"draft": 1, "titel": 2}, "the key 'titel' is nearly the output 'title'; call it 'title'"),
        ({"draft": 1, "text": 2}, "'title' is missing, found 'draft', 'text'; return every output"),
        ({}, "'draft', 'title' is missing, found nothing; return every output"),
    ],
)
def test_missing_outputs_are_named(given, message):
    assert refusal(given, TWO) == message


def test_a_faulty_output_fails_the_agent_without_another_attempt():
    graph = compile_plan(planned(spec("writer", gives=["draft"], max_retries=3)), {"writer": lambda _: b"x"})
    record = run(graph)["writer"]
    assert (record["status"], record["attempts"], record["output"]) == ("failed", 1, None)
    assert record["error"]["type"] == "OutputError"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": np.float64(1.5), "b": [np.float32(0.5), np.float16(2)]}, {"a": 1.5, "b": [0.5, 2.0]}),
        ([kind(7) for kind in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint64)], [7] * 6),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.int64(-(2**63)), -(2**63)),
        ([np.bool_(1), np.str_("text")], [True, "text"]),
        (np.longdouble(0.5), 0.5),
        ({np.int64(1): np.array([[1, 2], [3, 4]])}, {"1": [[1, 2], [3, 4]]}),
        (np.array(2.5), 2.5),
        (np.array([], dtype="float32"), []),
        (np.datetime64("2030-01-02"), "2030-01-02"),
        (np.datetime64("2030-01-02T03:04:05"), "2030-01-02T03:04:05"),
        (np.datetime64("2030-01-02T03:04:05.123456789"), "2030-01-02T03:04:05.123456789"),
        (np.array(["2030-01-02"], dtype="datetime64[ns]"), ["2030-01-02T00:00:00.000000000"]),
        (np.timedelta64(90, "s"), "PT1M30S"),
    ],
)
def test_what_numpy_gives_becomes_plain(given, expected):
    found = values(ONE, {"draft": given})["draft"]
    assert found == expected
    assert json.loads(json.dumps(found)) == expected


def test_what_a_model_holds_of_numpy_becomes_plain():
    assert values(ONE, {"draft": Loose(held=np.float32(0.5))}) == {"draft": {"held": 0.5}}
    assert refusal({"draft": [Loose(held=np.float32("nan"))]}).startswith("draft[0].held: nan is not a JSON number")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.float32("nan"), "nan is not a JSON number; return a finite number, or None"),
        (np.array([1.0, np.inf]), "[1]: inf is not a JSON number; return a finite number, or None"),
        (np.complex64(1j), "a complex number is not JSON; return [x.real, x.imag]"),
        (np.bytes_(b"x"), "bytes are not JSON; return text, or binary data as a data URI"),
        (np.datetime64("NaT"), "NaT is no time; return a time, or None"),
        (np.timedelta64("NaT"), "NaT is no time; return a time, or None"),
        (np.timedelta64(1, "ns"), "has no form in JSON that keeps all of it; return text, or plain numbers"),
        (np.longdouble(1) / 3, "has no form in JSON that keeps all of it; return text, or plain numbers"),
        (np.array([(1, 2.0)], dtype="i4,f4"), "has no form in JSON that keeps all of it; return text, or plain"),
    ],
)
def test_what_json_cannot_say_of_numpy_is_refused_with_its_place(given, message):
    place, _, rest = refusal({"draft": {"rows": [given]}}).partition(": ")
    assert place.startswith("draft.rows[0]")
    assert message in f"{place.removeprefix('draft.rows[0]')}: {rest}" if message.startswith("[") else message in rest


def test_tables_of_pandas_are_refused_with_what_to_do():
    table = type("DataFrame", (), {"__module__": "pandas.core.frame"})()
    assert refusal({"a": table}) == 'a: a DataFrame is not JSON; return .to_dict("records") of it'


@pytest.mark.parametrize(
    "text", ["a\0b", "\0", "\x1b\x7f\u2028", 2**53, 2**63, 2**64 - 1, -(2**63), 1_234_567_890_123_456_789]
)
def test_nul_and_integers_of_64_bits_are_kept_as_they_are(text):
    assert values(ONE, {"draft": {"a": [text]}}) == {"draft": {"a": [text]}}
    assert values(ONE, {"draft": {str(text): 1}}) == {"draft": {str(text): 1}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({1: "one", "1": "text one"}, "the keys 1 and '1' are both '1' in JSON; give them different names"),
        ({"draft": [{True: 1, "true": 2}]}, "draft[0]: the keys True and 'true' are both 'true' in JSON; give them"),
        ({"a": {None: 1, "None": 2}}, "a: the keys None and 'None' are both 'None' in JSON; give them different names"),
        ({"a": {1.5: 1, "1.5": 2}}, "a: the keys 1.5 and '1.5' are both '1.5' in JSON; give them different names"),
        ({"a": {Colour.RED: 1, "red": 2}}, "a: the keys <Colour.RED: 'red'> and 'red' are both 'red' in JSON; give"),
        ({"a": {(1, 2): 1, "1,2": 2}}, "a: the keys (1, 2) and '1,2' are both '1,2' in JSON; give them different"),
        (
            Loose(held={date(2030, 1, 2): 1, "2030-01-02": 2}),
            "held: the keys datetime.date(2030, 1, 2) and '2030-01-02' are both '2030-01-02' in JSON; give",
        ),
    ],
)
def test_keys_that_are_the_same_text_are_refused(given, message):
    assert refusal(given).startswith(message)


@pytest.mark.parametrize(
    ("outputs", "given", "message"),
    [
        (["post"], {"posts": "text"}, "the key 'posts' is nearly the output 'post'; call it 'post', or return "),
        (
            ["post"],
            {"Post": "text", "more": 1},
            "the key 'Post' is nearly the output 'post'; call it 'post', or return ",
        ),
        (["seo_title"], {"seoTitle": "text"}, "the key 'seoTitle' is nearly the output 'seo_title'; call it"),
        (["post", "title"], {"title": 1, "pots": 2}, "'post' is missing, found 'title', 'pots'; return every output"),
        (["post", "title"], {"title": 1, "posst": 2}, "the key 'posst' is nearly the output 'post'; call it 'post'"),
        (["post"], {"post": "", "Post": "text"}, "the key 'Post' is nearly the output 'post'; return one of the two"),
    ],
)
def test_a_key_that_is_nearly_a_declared_name_is_refused(outputs, given, message):
    assert refusal(given, step_of(planned(spec("writer", gives=outputs)), "writer")).startswith(message)


def test_other_keys_are_left_out_and_named_but_not_those_of_inputs():
    step = step_of(planned(spec("user")), "user")
    assert check_output(step, {"user": "ann", "age": 3}) == ({"user": "ann"}, ("age",))
    assert check_output(step, {"user": "ann", "users": 3}) == ({"user": "ann"}, ("users",))
    assert check_output(step, {"user": "ann", "campaign": {}}, ["campaign"]) == ({"user": "ann"}, ())
    assert check_output(step, {"name": "ann", "age": 3}) == ({"user": {"name": "ann", "age": 3}}, ())


def test_keys_that_nothing_declares_are_a_warning():
    graph = compile_plan(planned(spec("user")), {"user": lambda _: {"user": "ann", "age": 3, "town": "Ulm"}})
    *events, final = graph.stream({"campaign": {}}, stream_mode=["custom", "values"], output_keys=["user"])
    assert final[1]["user"]["output"] == {"user": "ann"}
    told = [event for kind, event in events if kind == "custom"]
    assert [event["event"] for event in told] == ["agent_started", "agent_warning", "agent_ended"]
    assert {key: told[1][key] for key in ("agent", "attempt", "code", "message")} == {
        "agent": "user",
        "attempt": 1,
        "code": "extra_outputs",
        "message": "the keys 'age', 'town' are no declared output and were left out; "
        "declare them under outputs, or leave them out",
    }
