"""Values that the catalog names as secrets: what is shown in their place, and their texts within other texts."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

SECRET = "(secret)"  # noqa: S105  # what is shown instead of one
"""What stands in the place of a value that the catalog names as a secret."""

SHORTEST_TEXT = 4
"""Characters of a secret from which on it is looked for in texts; a shorter one stands in too many words."""

SHORTEST_LINE = 8
"""Characters of a line of a secret from which on the line alone is looked for, too."""

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
    """Give the texts and numbers within values that are long enough to be looked for elsewhere, the longest first.

    Each is there in all the ways in which other texts quote it: as it is, as Python and JSON write it, within URLs.
    """
    found: list[str] = []
    pending = list(values)
    while pending and len(found) < MOST_TEXTS:
        item = pending.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            found.append(str(item))
        elif isinstance(item, Mapping):
            pending += item.values()
        elif isinstance(item, list | tuple):
            pending += item
    forms = {form for text in found for form in _forms(text.strip()) if len(form) >= SHORTEST_TEXT}
    return sorted(forms, key=lambda form: (-len(form), form))


def _forms(text: str) -> Iterator[str]:
    """Yield a text in the ways in which others quote it, then its lines."""
    yield text
    if not text.isalnum() or not text.isascii():
        yield from (repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        yield from (encode(text, safe, errors="replace") for encode in (quote, quote_plus) for safe in ("/", ""))
    if len(lines := text.splitlines()) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= SHORTEST_LINE)
