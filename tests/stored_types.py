"""Types that agents of tests put into checkpoints, at the top level of a module, as they must be."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel


@dataclass
class Draft:
    title: str
    words: int = 0


@dataclass
class Derived:
    """A class whose instances cannot be built from their fields."""

    size: int = field(init=False, default=3)


class Order(BaseModel):
    customer: str
    drafts: list[Draft] = []


class Place(NamedTuple):
    row: int
    column: Any


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Outer:
    @dataclass
    class Inner:
        text: str
