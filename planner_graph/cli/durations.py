"""Reads spans of time as people write them on the command line: ``30d``, ``12h``, ``90m``."""

import re

from planner_graph.errors import Finding, InvalidInputError

UNITS = {"m": 60, "h": 3_600, "d": 86_400}
LONGEST_DAYS = 36_500
_SPAN = re.compile(r"(\d{1,12})([mhd])", re.ASCII)


def seconds_of(text: str, option: str) -> int:
    """Give a span of time in seconds.

    >>> seconds_of("90m", "--older-than"), seconds_of("30d", "--older-than")
    (5400, 2592000)

    Raises:
        InvalidInputError: it cannot be read, or is longer than a hundred years.
    """
    remedy = "write a whole number and d, h or m for days, hours or minutes: 30d, 12h, 90m"
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError([Finding(problem=f"{text!r} is no span of time", remedy=remedy, key=option)])
    seconds = int(match[1]) * UNITS[match[2]]
    if seconds > LONGEST_DAYS * UNITS["d"]:
        problem, remedy = f"{text!r} is too long", f"use {LONGEST_DAYS}d at most"
        raise InvalidInputError([Finding(problem=problem, remedy=remedy, key=option)])
    return seconds
