"""What a run has given, as files: names made safe, values turned into bytes. Pure; writing is done elsewhere."""

import base64
import binascii
import json
import mimetypes
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote_to_bytes

from planner_graph.text import utf8

LONGEST_NAME = 200
"""Bytes of a file name; every file system takes 255."""

_DATA_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*(?P<base64>;base64)?,", re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\s]+')
_EXTENSION = re.compile(r"\.(?=\d*[A-Za-z])[A-Za-z0-9]{1,10}$")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def as_files(
    deliverables: Mapping[str, Any], extra: Mapping[str, bytes], outputs: Mapping[str, str] | None = None
) -> tuple[dict[str, str], dict[str, bytes]]:
    """Give the file name of each deliverable, and the bytes of all files by name; ``extra`` files come on top.

    A name with an extension is kept; one without gets that of the output that the deliverable is, as ``outputs`` says,
    else one that suits its contents. Names that would be the same file get a number.
    """
    names: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for name, value in deliverables.items():
        data, extension = contents(value)
        file = safe_name(name)
        if not _EXTENSION.search(file):
            own = _EXTENSION.search(safe_name((outputs or {}).get(name, name)))
            file += own[0] if own else extension
        names[name] = _unused(file, files)
        files[names[name]] = data
    for name, data in extra.items():
        files[_unused(name, files)] = data
    return names, files


def contents(value: Any) -> tuple[bytes, str]:
    """Give the bytes of a value and the extension that suits them: text, decoded data URI, or pretty JSON."""
    if not isinstance(value, str):
        return utf8(f"{json.dumps(value, ensure_ascii=False, indent=2)}\n"), ".json"
    found = _DATA_URI.match(value)
    if found:
        try:
            data = decoded(value[found.end() :], in_base64=bool(found["base64"]))
        except binascii.Error:
            pass
        else:
            return data, mimetypes.guess_extension(found["type"] or "text/plain") or ".bin"
    return utf8(value), ".md"


def decoded(text: str, *, in_base64: bool) -> bytes:
    """Decode what follows the comma of a data URI.

    Raises:
        binascii.Error: it is no base64.
    """
    data = unquote_to_bytes(text)
    return base64.b64decode(data, validate=True) if in_base64 else data


def safe_name(name: str) -> str:
    """Give a file name that stays in its folder, is visible, and works on every system.

    >>> [safe_name(name) for name in ("post.md", "../../etc/passwd", ".hidden", "a b/c", "con.txt")]
    ['post.md', 'etc_passwd', 'hidden', 'a_b_c', '_con.txt']
    """
    safe = _UNSAFE.sub("_", name)
    safe = re.sub(r"(^|_)\.+(?=_|$)", r"\1", safe).strip("._ ") or "deliverable"
    extension = found[0] if (found := _EXTENSION.search(safe)) else ""
    stem = safe.removesuffix(extension).encode("utf-8", "ignore")[: LONGEST_NAME - len(extension)]
    safe = stem.decode("utf-8", "ignore") + extension
    return f"_{safe}" if _RESERVED.fullmatch(safe) else safe


def _unused(name: str, files: Mapping[str, bytes]) -> str:
    taken = {file.casefold() for file in files}
    path, number, unused = PurePosixPath(name), 2, name
    while unused.casefold() in taken:
        unused, number = f"{path.stem}-{number}{path.suffix}", number + 1
    return unused
