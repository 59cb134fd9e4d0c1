"""Time as the outside world gives it, behind an interface, so that tests need not wait for it."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The current time, waiting, and chance."""

    def now(self) -> datetime:
        """Give the current time, aware of UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        ...

    def chance(self) -> float:
        """Give a random number in [0, 1), to spread retries."""
        ...


class SystemClock:
    """The computer's own clock."""

    def now(self) -> datetime:
        """Give the current time, aware of UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        """Give a random number in [0, 1), to spread retries."""
        return random.random()  # noqa: S311  # spreads retries, guards nothing
