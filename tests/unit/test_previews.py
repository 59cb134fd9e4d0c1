"""What the tables show of events: all of small outputs, the beginning of large ones, nothing PostgreSQL refuses."""

import json
from typing import Any

import pytest

from planner_graph.mirror.previews import lean_event, lean_record
from planner_graph.mirror.settings import MirrorSettings
from planner_graph.store.plain import MAX_DEPTH
from tests.events import attempt_failed, ended, interrupted, started

LIMIT = 100


def shown(output, limit=LIMIT, thread="thread"):
    """What is shown of an agent's output."""
    return lean_record(ended("writer", 1, output=output)["record"], "writer", limit, thread)["output"]


@pytest.mark.parametrize("output", [{}, {"post": "short"}, {"post": None, "tags": ["a", 1, 2.5, True, {}]}, None])
def test_a_small_output_is_shown_whole(output):
    assert shown(output) == output


def test_of_a_large_output_the_beginning_is_shown_and_where_the_whole_is():
    assert shown({"post": "x" * 5000}) == {
        "preview": '{"post": ' + '"' + "x" * 90,
        "truncated": True,
        "reference": {"thread_id": "thread", "channel": "writer"},
    }


def test_a_run_without_a_thread_keeps_its_whole_outputs_nowhere():
    assert shown({"post": "x" * 5000}, thread=None)["reference"] == {"thread_id": None, "channel": "writer"}


def test_the_limit_counts_the_characters_of_the_json():
    fits = {"post": "ü" * (LIMIT - len('{"post": ""}'))}
    assert len(json.dumps(fits, ensure_ascii=False)) == LIMIT
    assert shown(fits) == fits
    assert shown({"post": fits["post"] + "ü"})["truncated"]


@pytest.mark.parametrize(
    "output",
    [
        {"preview": "short", "truncated": True},
        {"preview": "short", "truncated": True, "reference": {"thread_id": "mine", "channel": "mine"}},
        {"preview": "a\x00b", "truncated": True},
        {"preview": "\ud800", "truncated": True},
    ],
)
def test_an_output_of_an_agents_own_that_looks_like_a_preview_is_shown_as_it_is(output):
    mended = output["preview"].replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert shown(output) == output | {"preview": mended}


def test_a_large_output_that_looks_like_a_preview_is_cut_like_any_other():
    cut = shown({"preview": "x" * 5000, "truncated": True})
    assert cut["preview"].startswith('{"preview": "xxx')
    assert cut["reference"]["channel"] == "writer"


def test_what_postgres_refuses_is_mended_everywhere():
    nul, surrogate = "a\x00b", "c\ud800d"
    record = ended("writer", 1, output={nul: surrogate}, error={"type": nul, "message": surrogate}, reason=nul)
    lean = lean_event(record, LIMIT, "thread")
    assert_storable(lean)
    assert lean["event"] == "agent_ended"
    assert lean["record"]["output"] == {"a\ufffdb": "c\ufffdd"}
    assert lean["record"]["error"] == {"type": "a\ufffdb", "message": "c\ufffdd"}
    for event in (
        attempt_failed("writer", 1) | {"error": {"type": nul, "message": surrogate}},
        interrupted("writer", 1, reason=nul + surrogate),
        ended("writer", 1, output={"large": (nul + surrogate) * 1000}),
    ):
        assert_storable(lean_event(event, LIMIT, "thread"))


def assert_storable(event):
    json.dumps(event, allow_nan=False)
    for text in texts(event):
        assert "\x00" not in text
        assert text.encode().decode() == text


def texts(value):
    """All strings in a value."""
    if isinstance(value, dict):
        return [text for item in value.items() for text in texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_numbers_that_are_none_become_text():
    assert shown({"score": float("nan")}) == {"score": "nan"}


@pytest.mark.parametrize("depth", [MAX_DEPTH, 5_000])
def test_an_output_nested_beyond_measure_is_shown(depth):
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    whole = shown({"nested": nested}, limit=50_000)
    assert "..." in json.dumps(whole)


@pytest.mark.parametrize(
    "event",
    [started("writer", 1), attempt_failed("writer", 1, retry=1.0), interrupted("writer", 1, usage={"calls": 1})],
)
def test_events_without_an_output_stay_as_they_are(event):
    assert lean_event(event, LIMIT, "thread") == event


def test_an_event_that_is_cut_leaves_the_original_alone():
    event = ended("writer", 1, output={"post": "x" * 5000})
    lean_event(event, LIMIT, "thread")
    assert event == ended("writer", 1, output={"post": "x" * 5000})


def test_the_more_agents_a_run_has_the_less_is_shown_of_each():
    settings = MirrorSettings(output_preview=1_000, all_previews=64_000)
    assert [settings.preview_of_each(agents) for agents in (0, 1, 64, 65, 1_000)] == [1_000, 1_000, 1_000, 984, 64]
