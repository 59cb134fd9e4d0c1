"""Bells of clients that are told something: each rings when there may be more for its client."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Bells:
    """One bell for each client."""

    def __init__(self) -> None:
        self._hung: dict[asyncio.Event, None] = {}

    def __len__(self) -> int:
        return len(self._hung)

    @contextmanager
    def hung(self) -> Iterator[asyncio.Event]:
        """Give a bell of one's own, for as long as the block lasts."""
        bell = asyncio.Event()
        self._hung[bell] = None
        try:
            yield bell
        finally:
            self._hung.pop(bell)

    def ring(self) -> None:
        """Ring all of them."""
        for bell in self._hung:
            bell.set()


async def rings(bell: asyncio.Event, seconds: float) -> bool:
    """Wait for a bell; tells whether it rang in time."""
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
    except TimeoutError:
        return False
    return True
