"""Connections whose clients do not get on with the head of a request: uvicorn would wait, and keep it, without end."""

import asyncio

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS = 30.0
"""How long the head of a request may take to come."""

LARGEST_HEAD = 65_536
"""Bytes that it may have."""


class PromptHeads(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # one of two classes, whichever is installed
    """A connection of uvicorn that is closed when a head is too slow or too large; bodies are the application's."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._await_head(0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came; count it as long as it ends no head."""
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()
        else:
            self._await_head(len(data))

    def _is_answering(self) -> bool:
        """Tell whether a head has come that is not answered yet, or that made this a WebSocket."""
        upgraded = self.transport.get_protocol() is not self
        return upgraded or (self.cycle is not None and not self.cycle.response_complete)

    def _await_head(self, size: int) -> None:
        self._bytes += size
        if self._bytes > LARGEST_HEAD:
            self.transport.abort()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        self._bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self._is_answering():
            self.transport.abort()
