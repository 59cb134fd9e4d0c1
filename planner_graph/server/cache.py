"""Keeps what was worked out lately, within bounds."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Recent(Generic[KeyT, ValueT]):
    """The values used last, until together they weigh more than ``most``; by default each weighs one.

    >>> kept = Recent(2)
    >>> for name in ("a", "b", "a", "c"):
    ...     if kept.get(name) is None:
    ...         kept.put(name, name.upper())
    >>> kept.get("a"), kept.get("b"), kept.get("c")
    ('A', None, 'C')
    """

    def __init__(self, most: int, weigh: Callable[[ValueT], int] = lambda _: 1) -> None:
        self._most = most
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[KeyT, ValueT] = OrderedDict()

    def get(self, key: KeyT) -> ValueT | None:
        """Give the value kept under ``key``, ``None`` if there is none."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: KeyT, value: ValueT) -> None:
        """Keep a value; those that were not used for longest make way."""
        if key in self._values:
            self._weight -= self._weigh(self._values.pop(key))
        self._values[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._most:
            _, gone = self._values.popitem(last=False)
            self._weight -= self._weigh(gone)
