"""Spans of time on the command line."""

import pytest

from planner_graph.cli.durations import seconds_of
from planner_graph.cli.figures import bytes_text
from planner_graph.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5_400), ("12h", 43_200), ("30d", 2_592_000), ("0m", 0), (" 1d ", 86_400)]
)
def test_a_span_is_a_number_and_a_unit(text, seconds):
    assert seconds_of(text, "--older-than") == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "30 d", "30D", "3w", "1d12h", "٣d", "1d\n2"])
def test_anything_else_is_refused_with_what_to_write(text):
    with pytest.raises(InvalidInputError) as refused:
        seconds_of(text, "--older-than")
    [finding] = refused.value.findings
    assert (finding.key, finding.problem) == ("--older-than", f"{text!r} is no span of time")
    assert finding.remedy == "write a whole number and d, h or m for days, hours or minutes: 30d, 12h, 90m"


def test_a_span_has_an_end():
    assert seconds_of("36500d", "--older-than")
    with pytest.raises(InvalidInputError, match="'999999999999d' is too long; use 36500d at most"):
        seconds_of("999999999999d", "--older-than")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1024**2, "1.0 MiB"), (5 * 1024**4, "5120.0 GiB")],
)
def test_a_size_is_told_in_the_unit_that_fits(size, text):
    assert bytes_text(size) == text
