"""Choices of a server that belong to no run."""

from dataclasses import dataclass, field

PREFIX = "/api/v2"
"""What all paths of the API begin with."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Addresses that only this machine reaches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one client may ask of the server.

    ``body_bytes`` is the largest body, ``depth`` how deep its JSON may be nested, ``requests_per_second`` what one
    client may send on average, with ``burst`` of them at once.
    """

    body_bytes: int = 1_048_576
    depth: int = 64
    requests_per_second: float = 100.0
    burst: int = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSettings:
    """How a server is reached and what it allows.

    ``auth`` says whether clients need a token. ``origins`` are pages of other servers that may call this one, such as
    ``https://plans.example.org``. ``max_runs`` runs are executed at a time, further ones wait. ``recover`` has the
    server go on, when it starts, with runs that were left behind. After ``close_seconds`` connections that clients
    keep open are cut when the server ends.
    """

    host: str = "127.0.0.1"
    port: int = 8124
    auth: bool = False
    origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    max_runs: int = 8
    recover: bool = True
    output_folder: str | None = None
    close_seconds: float = 5.0

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in LOOPBACK
