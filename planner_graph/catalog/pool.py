"""A pool: a named resource of which there is a limited amount, within one run or within one process."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from planner_graph import documents
from planner_graph.documents import Document
from planner_graph.errors import CatalogError, Finding
from planner_graph.values import Label, PositiveAmount, Value

RATE_WINDOWS: Mapping[str, float] = {"_per_second": 1.0, "_per_minute": 60.0, "_per_hour": 3600.0}
"""Suffixes that make a pool a rate, with the length of its window in seconds."""

Scope = Literal["run", "process"]
"""Among whom a pool is shared."""


class Pool(Value):
    """A named resource of which agents hold a part while they run.

    One whose name ends in ``_per_second``, ``_per_minute`` or ``_per_hour`` is a rate: ``capacity`` is then how much
    may be used up within that time.
    """

    name: Label
    capacity: PositiveAmount = Field(description="How much there is of it.")
    scope: Scope = Field(
        default="run",
        description="run: each run has as much as that for itself. process: all runs of a process share it.",
    )


def rate_window(pool: str) -> float | None:
    """Give the length in seconds of the window of a pool that is a rate; ``None`` of any other."""
    return next((seconds for suffix, seconds in RATE_WINDOWS.items() if pool.endswith(suffix)), None)


def pools_of(given: Mapping[str, Any] | Iterable[Pool]) -> list[Pool]:
    """Read pools that were written in Python: values of :class:`Pool`, or by name as in a document.

    Raises:
        CatalogError: one is malformed; all findings at once.
    """
    if not isinstance(given, Mapping):
        return list(given)
    document = Document(file=None, data={"pools": dict(given)})
    pools, findings = [], []
    for name, fields in given.items():
        if isinstance(fields, Pool):
            fields = fields.model_dump(exclude={"name"})  # noqa: PLW2901  # its key is its name
        if isinstance(fields, Mapping):
            pool, found = documents.validate(Pool, document, fields, ("pools", name), given={"name": name})
            findings += found
        else:
            pool = None
            findings.append(Finding(problem=f"{name!r} is no mapping", remedy=_FORM, key=f"pools.{name}"))
        pools += [] if pool is None else [pool]
    if findings:
        raise CatalogError(findings)
    return pools


_FORM = "write its fields as keys and values, {capacity: 8, scope: run}"
