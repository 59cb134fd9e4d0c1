"""From a file to a document: the only place that touches the disk, and the two syntaxes."""

import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from planner_graph.documents.building import build
from planner_graph.documents.document import Document
from planner_graph.documents.tokens import Token, json_tokens, yaml_tokens
from planner_graph.errors import DocumentError, Finding
from planner_graph.values import TOO_DEEP

MAX_BYTES = 8 * 1024 * 1024
"""Largest size of a file, in bytes."""

STDIN, STDIN_NAME = "-", "<stdin>"
"""The path that means standard input, and what findings call it."""

_REMEDIES = {
    "cannot start any token": "put the value in quotes, and indent with spaces only",
    "mapping values are not allowed": "put a value that holds ': ' in quotes, and check the indentation",
    "unexpected end of stream": "close what is open: a quote or a bracket",
}
"""What to do about frequent faults of syntax, by a part of the parser's message."""

_BAD_CHARACTER = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Any character that YAML refuses (section 5.1)."""


def read(path: str | Path) -> Document:
    """Read the YAML or JSON file at ``path``; the suffix ``.json`` says which, anything else is YAML.

    ``-`` is standard input: JSON if it is valid JSON, else YAML.

    Raises:
        DocumentError: it is missing, unreadable, too large, too deep, no UTF-8, malformed, or not a mapping.
    """
    file = str(path)
    if file == STDIN:
        text = _decoded(_stdin, STDIN_NAME)
        return parse(text, file=STDIN_NAME, json_text=_is_json(text))
    return parse(_decoded(lambda: _content(path), file), file=file)


def parse(text: str, *, file: str, json_text: bool | None = None) -> Document:
    """Turn the text of ``file`` into a document; a name that ends in ``.json`` makes it JSON, any other YAML.

    ``json_text`` says which it is, whatever the name.

    Raises:
        DocumentError: it is too deep, malformed, or not a mapping.
    """
    if json_text is None:
        json_text = file.casefold().endswith(".json")
    tokens = _json(text, file) if json_text else yaml_tokens(text, file)
    try:
        built = build(tokens, file)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise _yaml_fault(error, text, file) from error
    if built.value is None and not built.findings:
        raise _refusal(file, "the file is empty", "write at least one key")
    if not isinstance(built.value, dict):
        raise DocumentError(built.findings or [_not_a_mapping(built.value, file)])
    return Document(file=file, data=built.value, lines=built.lines, findings=tuple(built.findings), faulty=built.faulty)


def _content(path: str | Path) -> bytes:
    with Path(path).open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _stdin() -> bytes:
    if sys.stdin is None:  # a program without a console
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return False
    return True


def _decoded(read_bytes: Callable[[], bytes], file: str) -> str:
    try:
        content = read_bytes()
        text = content.decode("utf-8-sig") if len(content) <= MAX_BYTES else None
    except FileNotFoundError as error:
        raise _refusal(file, "no such file", "check the path") from error
    except IsADirectoryError as error:
        raise _refusal(file, "this is a folder", "name a file in it") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _refusal(file, f"byte {error.start} is not UTF-8", "save the file as UTF-8 text", line) from error
    except OSError as error:
        raise _refusal(file, f"cannot be read: {error.strerror}", "check the path and its permissions") from error
    except ValueError as error:
        raise _refusal(repr(file), "this is no path of a file", "remove the NUL character") from error
    if text is None:
        raise _refusal(file, f"the file is larger than {MAX_BYTES // 2**20} MiB", "split it")
    return text


def _json(text: str, file: str) -> Iterable[Token]:
    """Check the syntax of JSON, then split it."""
    try:
        json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        if not text.strip():
            return ()
        raise _refusal(file, f"not valid JSON: {error.msg.lower()}", "fix the syntax", error.lineno) from error
    except RecursionError:
        pass  # the builder refuses it, and names the line
    return json_tokens(text)


def _yaml_fault(error: Exception, text: str, file: str) -> DocumentError:
    """Say what a YAML parser could not read, and on which line."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        problem = ", ".join(str(part) for part in (error.problem, error.context) if part)
        if "nesting depth" in problem:  # the parser, which looks ahead, has a limit of its own
            return _refusal(file, *TOO_DEEP, line)
        remedy = next((remedy for hint, remedy in _REMEDIES.items() if hint in problem), "fix the syntax")
        return _refusal(file, f"not valid YAML: {problem}", remedy, line)
    bad = _BAD_CHARACTER.search(text)
    if not bad:
        return _refusal(file, f"not valid YAML: {error}", "fix the syntax")
    problem = f"not valid YAML: character U+{ord(bad.group()):04X} is not allowed"
    return _refusal(file, problem, "remove it", text.count("\n", 0, bad.start()) + 1)


def _not_a_mapping(value: object, file: str) -> Finding:
    kind = "a list" if isinstance(value, list) else "a single value"
    problem = f"the top level is {kind}"
    return Finding(problem=problem, remedy="write a mapping of keys to values", file=file, line=1)


def _refusal(file: str, problem: str, remedy: str, line: int | None = None) -> DocumentError:
    return DocumentError([Finding(problem=problem, remedy=remedy, file=file, line=line)])
