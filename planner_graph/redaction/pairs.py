r"""Secrets that are known by the name before them: ``password=...``, ``"api_key": "..."``, headers, conninfo.

Each separator is looked at once: does a name of secrets end before it? Only then its value is read.
"""

import re
from typing import NamedTuple

from planner_graph.redaction.shapes import HIDDEN, looks_random

_STRONG = (
    *("password", "passwd", "passphrase", "pwd", "apikey", "api key"),
    *("clientsecret", "appsecret", "consumersecret", "webhooksecret"),
    *(f"{kind}token" for kind in ("api", "access", "refresh", "auth", "session", "security", "bearer", "id")),
    *(
        f"{kind}key"
        for kind in (
            "access",
            "account",
            "secret",
            "private",
            "signing",
            "encryption",
            "master",
            "shared",
            "subscription",
        )
    ),
)
"""Ends of names whose values are secrets, in lower case and without ``_`` and ``-``."""

_WEAK = ("secret", "token", "credential", "credentials", "signature", "jwt", "auth", "pass", "authorization", "cookie")
"""Ends of names whose values are secrets if they look so: these words have other meanings, too."""

_LAST = tuple(sorted({name[-3:] for name in (*_STRONG, *_WEAK)}))
"""What all these names end in: a glance that spares most separators the closer look."""

# the sign itself comes first: from there a search is ten times as fast as from what stands before it
_SEPARATOR = re.compile(r"""[=:](?<=[A-Za-z"' \t].)(?:(?<==)(?:>|(?!=))|(?<=:)(?![:=/]))""")
_DOUBLE = re.compile(r'"((?:[^"\\\n]|\\.)*+)')
_SINGLE = re.compile(r"'((?:[^'\\\n]|\\.)*+)")
_ESCAPED = re.compile(r"""\\{1,7}["']((?:[^"'\\]|\\++(?!["']))*+)""")
_BARE = re.compile(
    r"""((?:(?!,[ ]?\w{1,30}=|&(?:amp;)?[\w.-]{1,40}=|</|<br)(?:[^\s"'`;]|'(?=[A-Za-z0-9])))++)""", re.VERBOSE
)
_SCHEME = re.compile(
    r"(?:basic|bearer|digest|token|apikey|negotiate|ntlm|aws4-hmac-sha256)[ \t]{1,4}([^\s\"'\\,;]+)", re.IGNORECASE
)
_COOKIE = re.compile(r"[\w.-]{1,64}=([^\"'\\\r\n]+)")

_NO_SECRETS = frozenset(
    {"none", "null", "nil", "true", "false", "undefined", "required", "optional", "missing", "invalid", "expired"}
)
_PLACEHOLDER = re.compile(
    r"%\(?\w*\)?s|\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*|\{+[\w.!: ]*\}+|<[\w .-]+>|\*+|[xX]{3,}|\.{2,}|\(secret\)"
    r"|(?i:your[a-z_-]+)"
)
_CALL = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)*[(\[]")
_DOTTED = re.compile(r"\w+(?:\.\w+)+")
_OTHERS = ("eos_", "bos_", "pad_", "sep_", "cls_", "unk_", "mask_", "stop_", "next_", "page_", "end_", "start_")
"""Beginnings of the names of tokens that language models and lists have."""

_PARTS_OF_WORDS = frozenset({"pass", "auth", "signature"})
"""Names of secrets that other words end in: bypass, compass."""

_AROUND_NAMES = " \t\"'\\"
"""What may stand between a name and its separator."""

_LOOK_BACK = 48
"""Characters before a separator in which a name is looked for."""

_LOOK_BEYOND = 500
"""Characters of a value that is no secret, beyond which nothing else is looked for."""

_LONG_ENOUGH = 8
_CERTAINLY_LONG = 20
_SHORT_PASSWORD = 4

_Span = tuple[int, int]


class _Name(NamedTuple):
    """What a name of secrets ends in, and what stands before that."""

    key: str
    strong: bool
    before: str


def without_named_values(text: str) -> str:
    """Give ``text`` without the values of passwords, keys and tokens that are named in it."""
    if "=" not in text and ":" not in text:
        return text
    parts: list[str] = []
    done = 0
    for separator in _SEPARATOR.finditer(text):
        if separator.start() < done:
            continue
        before = text[max(done, separator.start() - _LOOK_BACK) : separator.start()]
        name = _name_at_the_end(before.rstrip(_AROUND_NAMES))
        if name is None:
            continue
        hidden, seen = _secret_after(text, name, before, separator)
        if hidden:
            parts += [text[done : hidden[0]], HIDDEN]
            done = hidden[1]
        elif seen > separator.end() + _LOOK_BEYOND:
            parts.append(text[done:seen])
            done = seen
    return "".join([*parts, text[done:]]) if parts else text


def is_secret_item(key: str, value: str) -> bool:
    """Tell whether the text under a key of a mapping is a secret, by the key's name.

    >>> is_secret_item("db_password", "swordfish"), is_secret_item("token", "hello"), is_secret_item("post", "text")
    (True, False, False)
    """
    name = _name_at_the_end(key[-_LOOK_BACK:])
    return name is not None and _is_secret(name, value, "quoted")


def _name_at_the_end(text: str) -> _Name | None:
    """Give the name of secrets that a text ends in, if it does."""
    lowered = text.lower()
    if not lowered.endswith(_LAST):
        return None
    plain = _plain(lowered)
    if plain.endswith(_STRONG):
        return _Name(next(key for key in _STRONG if plain.endswith(key)), strong=True, before="")
    if lowered.endswith(_WEAK):
        key = next(key for key in _WEAK if lowered.endswith(key))
        return _Name(key, strong=False, before=lowered[: -len(key)])
    return None


def _secret_after(text: str, name: _Name, before: str, separator: re.Match[str]) -> tuple[_Span | None, int]:
    """Give where the secret after a separator lies, if there is one, and how far its value was looked at."""
    at = _after_blanks(text, separator.end())
    if text[at : at + 1] in {"", "(", "[", "{"}:
        return None, separator.end()
    if header := _header(name.key, text, at):
        return header, header[1]
    found = _value(text, at)
    if found is None:
        return None, at
    value, (start, end) = found[1], found.span(1)
    bare = start == at
    if bare:
        value = value.rstrip(",.)]}")
    if _is_secret(name, value, _form(before, separator, at, bare=bare)):
        return (start, start + len(value)), end
    return None, end


def _form(before: str, separator: re.Match[str], at: int, *, bare: bool) -> str:
    """Say how a pair is written; see :func:`_is_secret`."""
    in_quotes = before.rstrip(" \t").endswith(("'", '"'))
    if separator[0] != ":" and not in_quotes:
        return "tight" if bare and at == separator.end() and not before.endswith((" ", "\t")) else "assigned"
    return "prose" if bare and not in_quotes else "quoted"


def _header(name: str, text: str, at: int) -> _Span | None:
    """Give where the secret of a header lies: what follows the scheme of an authorization, or what a cookie says."""
    pattern = {"authorization": _SCHEME, "cookie": _COOKIE}.get(name)
    if pattern is None:
        return None
    at += len(text[at : at + 8]) - len(text[at : at + 8].lstrip("\\\"'"))
    found = pattern.match(text, at)
    return found.span(1) if found else None


def _value(text: str, at: int) -> re.Match[str] | None:
    """Read the value that begins ``at`` a place; its text is the group."""
    match text[at]:
        case '"':
            return _DOUBLE.match(text, at)
        case "'":
            return _SINGLE.match(text, at)
        case "\\":
            return _ESCAPED.match(text, at) or _BARE.match(text, at)
    return _BARE.match(text, at)


def _after_blanks(text: str, at: int) -> int:
    """Give the place after at most four blanks."""
    end = at
    while end < at + 4 and text[end : end + 1] in {" ", "\t"}:
        end += 1
    return end


def _is_secret(name: _Name, value: str, form: str) -> bool:
    """Tell whether a value is the secret that its name promises.

    ``form``: ``tight`` as in ``password=abc``; ``assigned`` as in ``password = "abc"``; ``quoted`` as in
    ``"password": "abc"``; ``prose`` as in ``password: abc``, where words may follow that only speak of one.
    """
    if _is_expression(name.key, value):
        return False
    if name.strong:
        return form != "prose" or (len(value) >= _SHORT_PASSWORD and not value.isalpha() and not value.startswith("-"))
    if name.before.endswith(_OTHERS) or (name.key in _PARTS_OF_WORDS and name.before[-1:].isalpha()):
        return False
    if form == "tight" and name.key not in _PARTS_OF_WORDS:
        return name.key not in value.lower()
    return looks_secret(value)


def looks_secret(value: str) -> bool:
    """Tell whether a text is a secret rather than a word, where its name alone does not say so."""
    if len(value) < _LONG_ENOUGH or any(map(str.isspace, value)):
        return False
    return (any(map(str.isdigit, value)) and any(map(str.isalpha, value))) or (
        len(value) >= _CERTAINLY_LONG and looks_random(value)
    )


def _is_expression(key: str, value: str) -> bool:
    """Tell whether a value is a word of a language, a placeholder, or code that will give the value."""
    word = value.lower()
    if (
        not word
        or word[0] in ")]},"
        or word in _NO_SECRETS
        or _plain(word) == key
        or _PLACEHOLDER.fullmatch(value)
        or _CALL.match(value)
    ):
        return True
    return _DOTTED.fullmatch(value) is not None and _plain(word).endswith(key)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "")
