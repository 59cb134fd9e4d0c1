"""Choices of a server that belong to no run."""

import re
from dataclasses import dataclass, field

PREFIX = "/api/v2"
"""What all paths of the API begin with."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Addresses that only this machine reaches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one client may ask of the server.

    ``body_bytes`` is the largest body, which may take ``body_seconds`` to come, ``depth`` how deep its JSON may be
    nested, ``requests_per_second`` what one client may send on average, with ``burst`` of them at once.
    """

    body_bytes: int = 1_048_576
    body_seconds: float = 30.0
    depth: int = 64
    requests_per_second: float = 500.0
    burst: int = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSettings:
    """How a server is reached and what it allows.

    ``auth`` says whether clients need a token. ``origins`` are pages of other servers that may call this one, such as
    ``https://plans.example.org``. ``max_runs`` runs are executed at a time, further ones wait. ``recover`` has the
    server go on, when it starts, with runs that were left behind. After ``close_seconds`` connections that clients
    keep open are cut when the server ends.

    At most ``max_clients`` follow runs live. One is sent a ping after ``ping_seconds`` without news, and is let go if
    it does not take in a few events within ``slow_seconds``.
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
    ping_seconds: float = 15.0
    slow_seconds: float = 10.0
    max_clients: int = 2_000

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in LOOPBACK


_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.IGNORECASE)
_SCHEMES = ("http", "https")


def host_of(text: str) -> str | None:
    """Give the host, in small letters, of what a Host header says, or ``None`` if that is none.

    >>> host_of("LocalHost:8124"), host_of("[::1]:8124"), host_of("a@b")
    ('localhost', '::1', None)
    """
    match = _HOST.fullmatch(text)
    return match[1].strip("[]").lower() if match else None


def origin_of(text: str) -> str | None:
    """Give an origin as browsers write it, or ``None`` if it is none.

    >>> origin_of("https://Plans.Example.org/"), origin_of("https://plans.example.org:443"), origin_of("plans")
    ('https://plans.example.org', 'https://plans.example.org', None)
    """
    scheme, found, rest = text.strip().lower().removesuffix("/").partition("://")
    if not found or scheme not in _SCHEMES or host_of(rest) is None:
        return None
    return f"{scheme}://{rest}".removesuffix(":443" if scheme == "https" else ":80")
