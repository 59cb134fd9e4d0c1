"""Reads an error once, as plain values: what a record says of it and what decides whether it is worth another attempt.

The errors of client libraries are known by what they carry, so that none of them has to be imported.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Self

from planner_graph.redaction import MARGIN, SECRET, SHORTEST_TEXT, redacted, texts_of, without_texts
from planner_graph.text import escaped

ERROR_TEXT_LIMIT = 2_000
"""Characters of an error's message that a record keeps; some errors quote a whole response."""

_STATUS_NAMES = ("status_code", "status", "code")
"""Where errors and responses keep their HTTP status: httpx, requests, OpenAI, Anthropic; aiohttp; urllib, Google."""

_HTTP_ERRORS = range(400, 600)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An error, wherever it was raised.

    ``kinds`` names its class and the bases of that, the class first, each as ``package.module.Class`` or, if it is
    built in, as ``Class``. ``status`` is the HTTP status of the answer it tells of, ``retry_after_seconds`` how long
    that asks to wait. ``parts`` are the errors of an exception group.
    """

    type: str
    message: str
    kinds: tuple[str, ...]
    status: int | None = None
    retry_after_seconds: float | None = None
    parts: tuple["Failure", ...] = ()

    @classmethod
    def of(cls, error: BaseException, now: datetime) -> Self:
        """Read ``error``; ``now`` is what a date in its answer is compared with."""
        if isinstance(error, ReportedError):
            return cls(**{name: getattr(error.failure, name) for name in cls.__slots__})
        parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        return cls(
            type=type(error).__name__,
            message=message_of(error),
            kinds=tuple(_name(kind) for kind in type(error).__mro__ if kind is not object),
            status=_status(error),
            retry_after_seconds=_retry_after(error, now),
            parts=tuple(cls.of(part, now) for part in parts),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a failure that was written by :func:`dataclasses.asdict`."""
        parts = tuple(cls.from_json(part) for part in data["parts"])
        return cls(**{**data, "kinds": tuple(data["kinds"]), "parts": parts})


class ReportedError(Exception):
    """An error that was raised in another process; only its ``failure`` came over."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(f"{failure.type}: {failure.message}")


def message_of(error: BaseException, secrets: Sequence[str] = ()) -> str:
    """Return an error's message in characters that JSON and PostgreSQL can hold, a very long one cut short.

    ``secrets``, texts that the agent read, and what looks like a secret are hidden: records, events, logs and pages
    quote the message, and this is where it is made.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # a user's error class may do anything
        text = "(its message cannot be read)"
    text = without_texts(escaped(text), secrets)
    shown = redacted(text[: ERROR_TEXT_LIMIT + MARGIN])
    if len(text) > ERROR_TEXT_LIMIT:
        return f"{shown[:ERROR_TEXT_LIMIT]}... ({len(text) - ERROR_TEXT_LIMIT} more characters)"
    return shown


def secret_texts(names: Collection[str], inputs: Mapping[str, Any], configuration: Mapping[str, Any]) -> list[str]:
    """Return the texts of secrets that an agent can read: its own, and all that the campaign brings along."""
    campaign = inputs.get("campaign") or {}
    readable = [inputs, configuration, campaign.get("provided", {}), *campaign.get("configuration", {}).values()]
    return texts_of(values[name] for values in readable for name in names if name in values)


def hidden_in(message: str, secrets: Sequence[str]) -> str:
    """Return a message that :func:`message_of` gave, without texts that were not known then, even where it was cut."""
    head, rest = message[:ERROR_TEXT_LIMIT], message[ERROR_TEXT_LIMIT:]
    for secret in secrets if rest else ():
        longest = min(len(secret), len(head))
        known = next((size for size in range(longest, SHORTEST_TEXT - 1, -1) if head.endswith(secret[:size])), 0)
        if known:
            head = head[:-known] + SECRET
    return without_texts(head + rest, secrets)


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _status(error: BaseException) -> int | None:
    response = _look(error, "response")
    metadata = _entry(response, "ResponseMetadata")  # botocore's
    told = [_look(owner, name) for owner in (error, response) for name in _STATUS_NAMES]
    for status in [*told, _entry(metadata, "HTTPStatusCode")]:
        if isinstance(status, int) and status in _HTTP_ERRORS:
            return int(status)
    return None


def _retry_after(error: BaseException, now: datetime) -> float | None:
    """Give the seconds that an error asks to wait, as a number of its own or in the headers of a response."""
    return next((wait for wait in _asked_waits(error, now) if math.isfinite(wait) and wait >= 0), None)


def _asked_waits(error: BaseException, now: datetime) -> Iterator[float]:
    response = _look(error, "response")
    yield _seconds(_look(error, "retry_after"), now)
    for headers in (
        _look(response, "headers"),
        _look(error, "headers"),
        _entry(_entry(response, "ResponseMetadata"), "HTTPHeaders"),
    ):
        yield _seconds(_entry(headers, "retry-after-ms"), now) / 1000
        yield _seconds(_entry(headers, "retry-after") or _entry(headers, "Retry-After"), now)


def _seconds(told: Any, now: datetime) -> float:
    """Read a duration, a number or a date as seconds from ``now``; NaN is what says nothing."""
    try:
        if isinstance(told, timedelta):
            return told.total_seconds()
        if isinstance(told, int | float):
            return float(told)
        return _seconds_in_text(told, now) if isinstance(told, str) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def _seconds_in_text(told: str, now: datetime) -> float:
    try:
        return float(told)
    except ValueError:
        date = parsedate_to_datetime(told)
        return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


def _look(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001  # a property of somebody's class may raise anything
        return None


def _entry(mapping: Any, key: str) -> Any:
    try:
        return mapping.get(key) if hasattr(mapping, "get") else None
    except Exception:  # noqa: BLE001  # headers are of somebody's class
        return None
