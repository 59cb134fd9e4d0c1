"""Reads the texts a campaign names: files and folders of Markdown, HTML and plain text.

What the user named by itself must be readable; what merely lies in a named folder and cannot be read is passed over,
and listed with the reason.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from planner_graph.errors import Finding, InvalidInputError

from .markup import Block, html_blocks, markdown_blocks, plain_blocks

READERS: dict[str, Callable[[str], list[Block]]] = {
    ".md": markdown_blocks,
    ".markdown": markdown_blocks,
    ".txt": plain_blocks,
    ".html": html_blocks,
    ".htm": html_blocks,
}
MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_TOTAL_BYTES = 4 * 1024 * 1024
KINDS = ".md, .txt or .html"


class SourcesError(InvalidInputError):
    """The sources of a campaign cannot be used; all findings at once."""

    subject = "the list of sources"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text: its name for citations, its prose, the number of its lines and the SHA-256 of its bytes."""

    name: str
    blocks: tuple[Block, ...]
    lines: int
    sha256: str

    @property
    def text(self) -> str:
        """The prose of the document, a block a paragraph."""
        return "\n\n".join(block.text for block in self.blocks)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """All documents in the order of the sources, and what was passed over: pairs of file name and reason."""

    documents: tuple[Document, ...]
    skipped: tuple[tuple[str, str], ...] = ()


class _UnreadableError(Exception):
    """A file cannot be used; the text says why and what to do."""


def read_sources(sources: Sequence[str]) -> Corpus:
    """Read every file that ``sources`` name, each once; folders in alphabetical order, hidden files left out.

    Raises:
        SourcesError: there is no source, one is missing or unreadable, or no prose is in any of them.
    """
    if not sources:
        problem = "the campaign names no sources"
        raise SourcesError([Finding(problem=problem, remedy=f"list files or folders of {KINDS} files", key="sources")])
    base = _base([Path(source) for source in sources])
    documents: dict[str, Document] = {}
    skipped: dict[str, str] = {}
    findings: list[Finding] = []
    room = MAX_TOTAL_BYTES
    for position, source in enumerate(sources):
        named = Path(source)
        try:
            files = list(_files(named))
        except _UnreadableError as error:
            findings.append(_finding(error, source, position))
            continue
        for file in files:
            name = Path(os.path.relpath(file, base)).as_posix()
            if name in documents:
                continue
            try:
                documents[name], size = _read(file, name, room)
                room -= size
            except _UnreadableError as error:
                if file == named:
                    findings.append(_finding(error, source, position))
                else:
                    skipped[name] = str(error)
    if not findings and not any(document.blocks for document in documents.values()):
        findings = _nothing_found(sources, skipped)
    if findings:
        raise SourcesError(findings)
    return Corpus(documents=tuple(documents.values()), skipped=tuple(skipped.items()))


def _base(paths: Sequence[Path]) -> Path:
    """Find the folder that citations are relative to: the one that holds all sources."""
    folders = [path.parent for path in paths]
    return Path(os.path.commonpath([str(folder.absolute()) for folder in folders]))


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise _UnreadableError("no such file or folder; check the path")
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")) and name != "node_modules")
        for name in sorted(names, key=lambda name: (not name.lower().startswith("readme"), name)):
            if Path(name).suffix.lower() in READERS and not name.startswith("."):
                yield Path(folder) / name


def _read(file: Path, name: str, room: int) -> tuple[Document, int]:
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise _UnreadableError(
            f"{file.suffix or 'no ending'!r} is no kind of text that can be read; name {KINDS} files"
        )
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _UnreadableError(
                f"the file has {size / 2**20:.1f} MiB, the limit is {MAX_FILE_BYTES >> 20} MiB; split it"
            )
        if size > room:
            raise _UnreadableError(f"the sources exceed {MAX_TOTAL_BYTES >> 20} MiB in all; name fewer")
        raw = file.read_bytes()
    except OSError as error:
        raise _UnreadableError(f"cannot be read: {error.strerror}; check its permissions") from error
    text = _decoded(raw).replace("\r\n", "\n").replace("\r", "\n")
    document = Document(
        name=name,
        blocks=tuple(reader(text)),
        lines=len(text.splitlines()),
        sha256=hashlib.sha256(raw).hexdigest(),
    )
    return document, size


def _decoded(raw: bytes) -> str:
    if b"\0" in raw[:8192] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _UnreadableError("the file is binary; name a text file")
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _UnreadableError(
            f"byte {error.start} is not {encoding.removesuffix('-sig').upper()}; save the file as UTF-8 text"
        ) from error


def _finding(error: _UnreadableError, source: str, position: int) -> Finding:
    problem, _, remedy = str(error).rpartition("; ")
    return Finding(problem=problem, remedy=remedy, file=source, key=f"sources[{position}]")


def _nothing_found(sources: Sequence[str], skipped: dict[str, str]) -> list[Finding]:
    if skipped:
        return [Finding(problem=reason, file=name, key="sources") for name, reason in skipped.items()]
    remedy = f"name files or folders with prose in {KINDS} files"
    return [
        Finding(problem="there is no text in it", remedy=remedy, file=source, key=f"sources[{position}]")
        for position, source in enumerate(sources)
    ]
