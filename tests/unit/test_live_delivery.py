"""How frames are handed to a client's connection."""

import asyncio

import pytest

from planner_graph.mirror.log import FeedClosedError
from planner_graph.server.frames import Frame
from planner_graph.server.live import TooSlowError, deliver


class Connection:
    """Takes in frames until it is full, as one does whose client reads nothing."""

    def __init__(self, room):
        self.room = asyncio.Semaphore(room)
        self.sent = []

    async def send(self, frame):
        await self.room.acquire()
        self.sent.append(frame.text)


async def bursts(*counts):
    for number, count in enumerate(counts):
        yield [Frame(f"{number}.{each}") for each in range(count)]


async def test_all_frames_are_sent_in_order():
    connection = Connection(room=10)
    await deliver(bursts(2, 1), connection.send, slow_seconds=10)
    assert connection.sent == ["0.0", "0.1", "1.0"]


async def test_who_reads_nothing_is_too_slow_and_is_sent_no_more_than_fits():
    connection = Connection(room=3)
    with pytest.raises(TooSlowError, match=r"a few events were not read within 0\.02 s; come back for the rest"):
        await deliver(bursts(2, 2, 2), connection.send, slow_seconds=0.02)
    assert connection.sent == ["0.0", "0.1", "1.0"]


async def test_who_reads_now_and_then_is_not_too_slow():
    connection = Connection(room=1)

    async def read():
        while True:
            await asyncio.sleep(0)
            connection.room.release()

    reading = asyncio.create_task(read())
    async with asyncio.timeout(20):
        await deliver(bursts(*[1] * 100), connection.send, slow_seconds=10)
    reading.cancel()
    assert len(connection.sent) == 100


async def test_a_wait_for_news_is_no_slowness():
    async def rare():
        yield [Frame("a")]
        await asyncio.sleep(0.05)
        yield [Frame("b")]
        raise FeedClosedError

    connection = Connection(room=2)
    with pytest.raises(FeedClosedError, match="from the last event that was seen"):
        await deliver(rare(), connection.send, slow_seconds=0.01)
    assert connection.sent == ["a", "b"]
