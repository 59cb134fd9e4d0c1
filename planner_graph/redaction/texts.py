"""Texts and plain JSON without secrets, and log records.

Each step takes time linear in the text: what a pattern has looked at it consumes, and whether that is a secret is
decided afterwards. A step that has nothing to find costs a glance.
"""

import logging
from collections.abc import Mapping
from typing import Any

from planner_graph.redaction.arguments import without_arguments
from planner_graph.redaction.pairs import is_secret_item, without_named_values
from planner_graph.redaction.shapes import HIDDEN, without_credentials, without_keys, without_private_keys
from planner_graph.redaction.urls import without_parameters, without_passwords

MARGIN = 300
"""Characters beyond a cut that are looked at, so that a secret which the cut would split is still recognised."""

_STEPS = (
    without_private_keys,
    without_keys,
    without_credentials,
    without_passwords,
    without_named_values,
    without_arguments,
    without_parameters,
)


def redacted(text: str) -> str:
    """Give ``text`` without what looks like a secret.

    >>> redacted("postgresql://ann:geheim@host/name, host=x password='ge heim' user=ann")
    "postgresql://ann:***@host/name, host=x password='***' user=ann"
    """
    for step in _STEPS:
        text = step(text)
    return text


def redacted_json(value: Any) -> Any:
    """Give plain JSON without what looks like a secret: in its texts, and by the names of its keys.

    >>> redacted_json({"url": "https://ann:geheim@host/", "login": {"password": "swordfish"}})
    {'url': 'https://ann:***@host/', 'login': {'password': '***'}}
    """
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {redacted(str(key)): _redacted_item(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_json(item) for item in value]
    return value


def _redacted_item(key: str, item: Any) -> Any:
    if isinstance(item, list | tuple):
        return [_redacted_item(key, each) for each in item]
    if isinstance(item, str | int | float) and not isinstance(item, bool) and is_secret_item(key, str(item)):
        return HIDDEN
    return redacted_json(item)


class RedactingFormatter(logging.Formatter):
    """Formats log records, tracebacks included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the text of a record."""
        return redacted(super().format(record))
