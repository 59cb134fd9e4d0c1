"""Secrets that are known by their shape: keys of services, JSON Web Tokens, private keys, credentials of headers."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HIDDEN = "***"
"""What stands in the place of something that looks like a secret."""

SHORTEST_KEY = 14
"""Characters that the shortest key has, with its prefix."""

_FREE = r"(?<![A-Za-z0-9_+-])(?<!\*\*\*)"
"""Where a key may begin: not within a word, nor base64 (but for what follows a slash), nor after one that is hidden."""

_PEM = re.compile(
    r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?:(?!-----).)*+(-----END[A-Z0-9 ]{0,60}-----)?", re.DOTALL
)
_CREDENTIALS = re.compile(r"(?P<scheme>\b(?:bearer|basic)[ \t]{1,4})(?P<value>[A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE)

_LONG_PART = 20
"""Letters in a row that no word has."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """A kind of key: ``pattern`` is only looked for in texts with ``mark`` in lower case."""

    mark: str
    pattern: re.Pattern[str]
    instead: Callable[[re.Match[str]], str]


def _key(mark: str, prefix: str, rest: str, *, sure: bool = True) -> _Shape:
    """Give the shape of a service's keys; one that is not ``sure`` may be words joined by hyphens."""

    def instead(found: re.Match[str]) -> str:
        return found[1] + HIDDEN if sure or looks_random(found[2]) else found[0]

    return _Shape(mark, re.compile(f"{_FREE}({prefix})({rest})"), instead)


_KEYS: tuple[_Shape, ...] = (
    _Shape(
        "eyj",
        re.compile(_FREE + r"eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+){1,3}"),
        lambda _: HIDDEN,
    ),
    _key("pg_", "pg_", "[A-Za-z0-9_-]{43}"),
    _key("sk-", "sk-", "[A-Za-z0-9_-]{11,}", sure=False),
    _key("k_", "[sr]k_(?:live|test)_", "[A-Za-z0-9]{8,}"),
    _key("whsec_", "whsec_", "[A-Za-z0-9+/=]{16,}"),
    _key("akia", "AKIA", "[A-Z0-9]{12,}"),
    _key("asia", "ASIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])", sure=False),
    _key("gh", "gh[pousr]_", "[A-Za-z0-9]{16,}"),
    _key("github_pat_", "github_pat_", "[A-Za-z0-9_]{16,}"),
    _key("glpat-", "glpat-", "[A-Za-z0-9_-]{16,}"),
    _key("xox", "xox[abceprs]-", "[A-Za-z0-9-]{9,}", sure=False),
    _key("xapp-", "xapp-", "[A-Za-z0-9-]{12,}", sure=False),
    _key("aiza", "AIza", "[A-Za-z0-9_-]{30,}"),
    _key("ya29", r"ya29\.", "[A-Za-z0-9_-]{20,}"),
    _key("gocspx-", "GOCSPX-", "[A-Za-z0-9_-]{16,}"),
    _key("hf_", "hf_", "[A-Za-z0-9]{24,}", sure=False),
    _key("npm_", "npm_", "[A-Za-z0-9]{30,}", sure=False),
    _key("pypi-", "pypi-", "[A-Za-z0-9_-]{40,}", sure=False),
    _key("sg.", r"SG\.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _key("gsk_", "gsk_", "[A-Za-z0-9]{20,}", sure=False),
    _key("xai-", "xai-", "[A-Za-z0-9]{20,}", sure=False),
    _key("pplx-", "pplx-", "[A-Za-z0-9]{20,}", sure=False),
    _key("tvly-", "tvly-", "[A-Za-z0-9-]{16,}", sure=False),
    _key("lsv2_", "lsv2_(?:pt|sk)_", "[A-Za-z0-9_]{20,}"),
    _key("dop_v1_", "dop_v1_", "[a-f0-9]{20,}"),
    _key("dapi", "dapi", "[a-f0-9]{32}"),
    _key("shp", "shp(?:at|ca|pa|ss)_", "[a-fA-F0-9]{32}"),
    _key("pat-", "pat-(?:na|eu)[0-9]-", "[a-f0-9-]{36}"),
    _key("nvapi-", "nvapi-", "[A-Za-z0-9_-]{30,}"),
    _key("r8_", "r8_", "[A-Za-z0-9]{30,}"),
    _key("ntn_", "ntn_", "[A-Za-z0-9]{30,}"),
    _key("glsa_", "glsa_", "[A-Za-z0-9_]{30,}"),
    _key("pcsk_", "pcsk_", "[A-Za-z0-9_]{30,}"),
    _key("lin_api_", "lin_api_", "[A-Za-z0-9]{30,}"),
    _key("atatt", "ATATT3", "[A-Za-z0-9_=-]{20,}"),
    _key("eaa", "EAA", "[A-Za-z0-9]{60,}", sure=False),
    _key("fc-", "fc-", "[a-f0-9]{32}"),
    _key("key-", "key-", r"[a-f0-9]{32}(?![A-Za-z0-9])"),
    _Shape("-us", re.compile(_FREE + r"[a-f0-9]{32}(-us[0-9]{1,2})\b"), lambda found: HIDDEN + found[1]),
    _Shape(
        ":aa",
        re.compile(r"(?<![0-9])([0-9]{8,10}:)AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])"),
        lambda found: found[1] + HIDDEN,
    ),
    _Shape(
        "/api/webhooks/",
        re.compile(r"(/api/webhooks/[0-9]{8,20}/)[A-Za-z0-9_-]{16,}"),
        lambda found: found[1] + HIDDEN,
    ),
    _Shape(
        "hooks.slack.com",
        re.compile(r"(\bhooks\.slack\.com/services/)[A-Za-z0-9/]{8,}"),
        lambda found: found[1] + HIDDEN,
    ),
)


def without_keys(text: str) -> str:
    """Give ``text`` without keys and tokens; most texts have no word that is long enough for one."""
    long_words = " ".join(_long_words(text)).lower()
    if not long_words:
        return text
    for shape in _KEYS:
        if shape.mark in long_words:
            text = shape.pattern.sub(shape.instead, text)
    return text


def without_private_keys(text: str) -> str:
    """Give ``text`` without private keys in PEM; one that is cut short is hidden up to the end of the text."""
    return _PEM.sub(lambda found: f"{found[1]}{HIDDEN}{found[2] or ''}", text) if "-----BEGIN " in text else text


def without_credentials(text: str) -> str:
    """Give ``text`` without what follows ``Bearer`` or ``Basic``, unless that is a word."""
    lowered = text.lower()
    if "bearer " in lowered or "basic " in lowered:
        return _CREDENTIALS.sub(_hidden_credentials, text)
    return text


def looks_random(text: str) -> bool:
    """Tell whether a text looks made by chance: with digits or capitals, or long without a hyphen."""
    return any(char.isdigit() or char.isupper() for char in text) or len(max(text.split("-"), key=len)) > _LONG_PART


def _long_words(text: str) -> Iterator[str]:
    return (word for word in text.split() if len(word) >= SHORTEST_KEY)


def _hidden_credentials(found: re.Match[str]) -> str:
    value = found["value"]
    if found["scheme"].lower().startswith("basic"):
        certain = _is_basic(value)
    else:
        certain = any(map(str.isdigit, value)) or (len(value) > _LONG_PART and looks_random(value))
    return f"{found['scheme']}{HIDDEN}" if certain else found[0]


def _is_basic(value: str) -> bool:
    """Tell whether a text is the base64 of a name and a password."""
    try:
        return b":" in base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
