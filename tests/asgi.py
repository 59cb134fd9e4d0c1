"""Talks to an ASGI application without a socket."""

import httpx


def client(app, address="127.0.0.1", **options):
    """A client of ``app`` at this address; errors that reach the server fail the test."""
    transport = httpx.ASGITransport(app, client=(address, 123))
    return httpx.AsyncClient(transport=transport, **{"base_url": "http://localhost:8124", **options})


async def open_socket(app, path="/api/v2/workflows/live", *, headers=(), subprotocols=()):
    """What ``app`` sends to a WebSocket that a client opens."""
    offered = [("sec-websocket-protocol", ", ".join(subprotocols))] if subprotocols else []
    opening = {
        **scope_of("websocket", path, [*headers, *offered]),
        "scheme": "ws",
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
    }
    return await exchange(app, opening, {"type": "websocket.connect"})


async def open_stream(app, path="/api/v2/workflows/live", *, headers=()):
    """What ``app`` sends as the answer to a request, message by message."""
    opening = {**scope_of("http", path, headers), "scheme": "http", "method": "GET"}
    return await exchange(app, opening, {"type": "http.request"})


async def exchange(app, scope, *messages):
    """What ``app`` sends to a client that sends these messages and no more."""
    told, sent = list(messages), []

    async def receive():
        return told.pop(0)

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent


def scope_of(kind, path, headers):
    return {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in [("host", "localhost:8124"), *headers]],
        "client": ("127.0.0.1", 123),
        "server": ("127.0.0.1", 8124),
    }


class Recorder:
    """An application that answers 200 to everything, accepts every WebSocket, and keeps what it was asked."""

    def __init__(self):
        self.scopes = []
        self.bodies = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        self.bodies.append((await receive()).get("body"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
