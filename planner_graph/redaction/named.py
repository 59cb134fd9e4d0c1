"""Values that the catalog names as secrets: what is shown in their place, and their texts within other texts."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

SECRET = "(secret)"  # noqa: S105  # what is shown instead of one
"""What stands in the place of a value that the catalog names as a secret."""

SHORTEST_TEXT = 4
"""Characters of a secret from which on it is looked for in texts; a shorter one stands in too many words."""

MOST_TEXTS = 100
"""Texts of secrets that are looked for."""


def without_secrets(value: Any, names: Collection[str]) -> Any:
    """Give a mapping with a placeholder for each value that goes by one of these names; anything else as it is.

    >>> without_secrets({"url": "https://x", "draft": "text"}, {"url"})
    {'url': '(secret)', 'draft': 'text'}
    """
    if not names or not isinstance(value, Mapping):
        return value
    return {name: SECRET if name in names else item for name, item in value.items()}


def without_texts(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with a placeholder for each of these texts."""
    for secret in secrets:
        text = text.replace(secret, SECRET)
    return text


def texts_of(values: Iterable[Any]) -> list[str]:
    """Give the texts within values that are long enough to be looked for elsewhere, the longest first."""
    found: list[str] = []
    pending = list(values)
    while pending and len(found) < MOST_TEXTS:
        item = pending.pop()
        if isinstance(item, str) and len(item) >= SHORTEST_TEXT:
            found.append(item)
        elif isinstance(item, Mapping):
            pending += item.values()
        elif isinstance(item, list | tuple):
            pending += item
    return sorted(found, key=len, reverse=True)
