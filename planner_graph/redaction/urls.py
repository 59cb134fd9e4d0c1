"""Secrets in URLs and the like: passwords before the host, keys and signatures in the query."""

import re

from planner_graph.redaction.shapes import HIDDEN, looks_random

_AFTER_SCHEME = re.compile(r"""://((?:(?!://)(?:[^\s"<>`']|'(?![\s,;:)\]}]|\Z)))++)""")
_AUTHORITY_END = re.compile(r"[/?#\\]")
_PORT = re.compile(r"\[[0-9A-Fa-f:.%]*\](?::\d*)?|[^:]*:\d*")
_GO_DSN = re.compile(r"""(?<![^\s"'])([^\s:@/"'=]{1,64}:)[^\s"']*(@(?:tcp|unix)\()""")
_PARAMETER = re.compile(
    r"""([?&;](?P<name>sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token)|key|code|auth|hash|hmac)=)
    (?P<value>[^\s"'&<>#\\]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_UNSURE = frozenset({"key", "code", "auth", "hash", "hmac"})
"""Parameters that hold secrets, but other things as often."""

_LONG_VALUE = 16
_LONG_USER = 20


def without_passwords(text: str) -> str:
    """Give ``text`` without the passwords that URLs and the DSNs of Go hold, and without keys in place of a user."""
    if "@" not in text:
        return text
    if "://" in text:
        text = _AFTER_SCHEME.sub(_hidden_password, text)
    if "@tcp(" in text or "@unix(" in text:
        text = _GO_DSN.sub(rf"\g<1>{HIDDEN}\g<2>", text)
    return text


def without_parameters(text: str) -> str:
    """Give ``text`` without signatures and keys in the queries of URLs."""
    return _PARAMETER.sub(_hidden_parameter, text) if "=" in text and ("?" in text or "&" in text) else text


def _hidden_password(found: re.Match[str]) -> str:
    """Hide a password; one that holds a slash, which has no right to be there, still ends at an ``@``."""
    rest = found[1]
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    at = authority.rfind("@")
    if at < 0 and ":" in authority and not _PORT.fullmatch(authority):
        at = rest.rfind("@")
    if at < 0:
        return found[0]
    user, colon, password = rest[:at].partition(":")
    if colon and password:
        return f"://{user}:{HIDDEN}{rest[at:]}"
    if not colon and len(user) >= _LONG_USER and looks_random(user):
        return f"://{HIDDEN}{rest[at:]}"
    return found[0]


def _hidden_parameter(found: re.Match[str]) -> str:
    name, value = found["name"].lower(), found["value"]
    certain = name not in _UNSURE or (len(value) >= _LONG_VALUE and looks_random(value))
    return found[1] + HIDDEN if certain else found[0]
