"""Base of all pydantic values that come from outside: frozen, closed, plain JSON inside.

Numbers and flags are strict: ``"3"`` is no number and ``1`` no flag, in Python as in the documents people write.
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from planner_graph.text import CONTROLS, UNSTORABLE

LARGEST_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader reproduces exactly (RFC 8785 refuses larger ones)."""

LARGEST_NUMBER = 10**9
"""The largest duration, amount or capacity that makes sense."""

MAX_DEPTH = 50
"""How many collections may be nested in each other."""

TOO_DEEP = (f"nested deeper than {MAX_DEPTH} levels", "flatten it")
"""What is wrong with a value that is nested deeper, and what to do."""

_CONTROL = re.compile(f"[{CONTROLS}]")


class Fault(NamedTuple):
    """One thing wrong inside a value: the path from that value, the problem, the remedy."""

    path: tuple[str | int, ...]
    problem: str
    remedy: str


class FaultyValueError(ValueError):
    """A value that cannot be used; ``faults`` says everything that is wrong with it, and where."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{fault.problem}; {fault.remedy}" for fault in self.faults))

    @classmethod
    def single(cls, problem: str, remedy: str) -> "FaultyValueError":
        """Build the error for one fault of the value as a whole."""
        return cls([Fault((), problem, remedy)])


class Value(BaseModel):
    """A frozen value with no keys but the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def portable_json(value: Any) -> Any:
    """Return ``value`` unchanged if every JSON reader and PostgreSQL give it back unchanged.

    Raises:
        FaultyValueError: a number is not finite or too large, a text holds what is no character, or the nesting is
            deeper than :data:`MAX_DEPTH`; all faults with their paths.
    """
    faults: list[Fault] = []
    pending: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, dict | list):
            if len(path) >= MAX_DEPTH:
                faults.append(Fault(path, *TOO_DEEP))
                continue
            children = item.items() if isinstance(item, dict) else enumerate(item)
            pending += reversed([((*path, key), child) for key, child in children])
            if isinstance(item, dict):
                faults += [_no_character((*path, key), "key") for key in item if UNSTORABLE.search(str(key))]
        elif isinstance(item, str):
            if UNSTORABLE.search(item):
                faults.append(_no_character(path, "text"))
        elif isinstance(item, float) and not math.isfinite(item):
            faults.append(Fault(path, f"{item} is not a JSON number", "write a finite number, or null"))
        elif isinstance(item, int) and abs(item) > LARGEST_INTEGER:
            faults.append(Fault(path, "an integer is larger than 2**53 - 1", "write it as text, in quotes"))
    if faults:
        raise FaultyValueError(faults)
    return value


def without_repeats(what: str, name_of: Callable[[Any], str] = str) -> AfterValidator:
    """Give the validator of a tuple whose items must have different names; ``what`` is one item in words."""

    def check(items: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [name_of(item) for item in items]
        first: dict[str, int] = {}
        for position, name in enumerate(names):
            first.setdefault(name, position)
        faults = [
            Fault((position,), f"{what} {name!r} is named twice", "name it once")
            for position, name in enumerate(names)
            if first[name] != position
        ]
        if faults:
            raise FaultyValueError(faults)
        return items

    return AfterValidator(check)


def _portable_text(text: str) -> str:
    if UNSTORABLE.search(text):
        raise FaultyValueError([_no_character((), "text")])
    return text


def _one_line(text: str) -> str:
    if text != text.strip():
        raise FaultyValueError.single(f"{text!r} begins or ends with a space", "remove the space")
    if _CONTROL.search(text):
        raise FaultyValueError.single(f"{text!r} holds a line break or a control character", "remove it")
    return text


def _no_character(path: tuple[str | int, ...], what: str) -> Fault:
    problem = f"the {what} holds a NUL or half a surrogate pair, which PostgreSQL and UTF-8 cannot store"
    return Fault(path, problem, "remove it")


Json = Annotated[JsonValue, AfterValidator(portable_json)]
"""Any JSON value that every reader gives back unchanged."""

JsonObject = Annotated[dict[str, JsonValue], AfterValidator(portable_json)]
"""A JSON object that every reader gives back unchanged."""

Text = Annotated[str, AfterValidator(_portable_text)]
"""Free text, any length, line breaks allowed."""

Line = Annotated[str, StringConstraints(max_length=100), AfterValidator(_one_line)]
"""A short text on one line."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]
"""A short name on one line: of a type, a capability, an input, an output."""

Flag = Annotated[bool, Field(strict=True)]
"""True or false, and nothing that merely looks like it."""

Count = Annotated[int, Field(strict=True, ge=0, le=LARGEST_NUMBER)]
"""A whole number, zero or more."""

Amount = Annotated[float, Field(strict=True, ge=0, le=LARGEST_NUMBER, allow_inf_nan=False)]
"""A number, zero or more."""

PositiveAmount = Annotated[float, Field(strict=True, gt=0, le=LARGEST_NUMBER, allow_inf_nan=False)]
"""A number, more than zero."""

Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
"""A number from 0 to 1."""

Seconds = Amount
"""A duration in seconds, zero or more."""

PositiveSeconds = PositiveAmount
"""A duration in seconds, more than zero."""
