"""Takes Markdown, HTML and plain text apart into blocks of prose that know their lines and the headings above them.

Code, tables, menus and pictures are no prose and are left out. Lines count from 1.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

Kind = Literal["paragraph", "item"]

_SPACE = re.compile(r"\s+")
_BULLET = re.compile(r"\s*(?:[-*+\u2022\u00b7\u2013]|\d{1,3}[.)])\s+")
_CALLOUT = re.compile(r"(?m)^(\s*>?\s*)(?:\[![A-Z]+\]|!!! [^\n]*\n(?: {4})?)")
_UNDERLINE = re.compile(r"\s*([=\-~*^])\1{2,}\s*")
LONGEST_PLAIN_HEADING = 70


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph or a list item.

    ``text`` has single spaces only; code in it stands in back-ticks. ``marks`` says where a new source line begins:
    pairs of offset and line. ``label`` is its bold beginning, if it has one. ``headings`` are those above the block,
    outermost first.
    """

    kind: Kind
    headings: tuple[str, ...]
    text: str
    marks: tuple[tuple[int, int], ...]
    label: str = ""

    def line_at(self, offset: int) -> int:
        """Give the source line of the character at ``offset``."""
        return self.marks[bisect_right(self.marks, (offset, 1 << 60)) - 1][1]


class _Builder:
    """Collects pieces of text with their lines into one block."""

    def __init__(self) -> None:
        self.text = ""
        self.marks: list[tuple[int, int]] = []

    def add(self, piece: str, line: int) -> None:
        for number, part in enumerate(piece.split("\n")):
            clean = _SPACE.sub(" ", part)
            if number and not self.text.endswith(" "):
                self.text += " "
            if self.text.endswith(" ") or not self.text:
                clean = clean.lstrip()
            if clean:
                if not self.marks or self.marks[-1][1] != line + number:
                    self.marks.append((len(self.text), line + number))
                self.text += clean

    def block(self, kind: Kind, headings: Sequence[str], label: str = "") -> Iterator[Block]:
        text = self.text.rstrip()
        if text:
            clean = label.strip().rstrip(".:")
            fitting = clean if text.startswith(clean) and 0 < len(clean) < len(text) / 2 else ""
            yield Block(kind=kind, headings=tuple(headings), text=text, marks=tuple(self.marks), label=fitting)


class _Outline:
    """The headings above the place that has been reached."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        self._open = [*(entry for entry in self._open if entry[0] < level), (level, title)]

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._open if title)


def markdown_blocks(text: str) -> list[Block]:
    """Give the prose of a Markdown document (CommonMark, tables, front matter)."""
    parser = MarkdownIt("commonmark").enable("table").use(front_matter_plugin)
    outline, blocks = _Outline(), list[Block]()
    items = tables = 0
    heading = ""
    for token in parser.parse(_CALLOUT.sub(_lines_only, text)):
        items += token.nesting if token.type.startswith("list_item") else 0
        tables += token.nesting if token.type.startswith("table") else 0
        if token.type == "heading_open":
            heading = token.tag
        elif token.type == "inline" and heading:
            outline.enter(int(heading[1]), _inline(token)[0].text.replace("`", "").strip())
            heading = ""
        elif token.type == "inline" and not tables:
            builder, label = _inline(token)
            blocks += builder.block("item" if items else "paragraph", outline.titles, label)
    return blocks


def _lines_only(callout: re.Match[str]) -> str:
    """Take away the mark that begins a note or warning, but no line: those are counted."""
    return callout[1] + "\n" * callout[0].count("\n", len(callout[1]))


def _inline(token: Token) -> tuple[_Builder, str]:
    """Write the text of an inline token, and the words it begins with in bold."""
    builder, label = _Builder(), ""
    line = (token.map or [0, 0])[0] + 1
    bold = 0
    for child in token.children or ():
        if child.type == "strong_open":
            bold += 1
        elif child.type == "strong_close":
            bold -= 1
        elif child.type in {"softbreak", "hardbreak"}:
            builder.add("\n", line)
            line += 1
        elif child.type in {"text", "code_inline"}:
            at_start = not builder.text or (bold and builder.text == label)
            builder.add(f"`{child.content}`" if child.type == "code_inline" else child.content, line)
            label = builder.text if bold and at_start else label
    return builder, label


def plain_blocks(text: str) -> list[Block]:
    """Give the paragraphs and list items of plain text; an underlined line, or a short one by itself, is a heading."""
    outline, blocks = _Outline(), list[Block]()
    builder, kind, lines = _Builder(), "paragraph", text.splitlines()

    def flush() -> None:
        nonlocal builder, kind
        blocks.extend(builder.block("item" if kind == "item" else "paragraph", outline.titles))
        builder, kind = _Builder(), "paragraph"

    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if not line.strip() or _UNDERLINE.fullmatch(line):
            flush()
        elif not builder.text and (_UNDERLINE.fullmatch(following) or _stands_alone(line, following)):
            outline.enter(1, line.strip())
        else:
            if bullet := _BULLET.match(line):
                flush()
                kind = "item"
            builder.add(line[bullet.end() :] if bullet else line, number + 1)
            builder.add("\n", number + 1)
    flush()
    return blocks


def _stands_alone(line: str, following: str) -> bool:
    """Whether a line, with nothing before it, is a heading and not a sentence."""
    title = line.strip()
    is_text = any(character.isalpha() for character in title) and not _BULLET.match(line)
    return (
        is_text
        and not following.strip()
        and len(title) <= LONGEST_PLAIN_HEADING
        and title[-1] not in ".!?:;,\u2026\u3002\uff01\uff1f\u201d\"')"
    )


class _HtmlReader(HTMLParser):
    """Gathers prose from HTML: what stands in block elements, outside of menus, scripts and tables."""

    HIDDEN = frozenset(
        {"script", "style", "nav", "table", "template", "svg", "pre", "button", "form", "noscript", "footer"}
    )
    BLOCKS = frozenset(
        {
            "p",
            "div",
            "section",
            "article",
            "main",
            "body",
            "blockquote",
            "dd",
            "dt",
            "figcaption",
            "header",
            "ul",
            "ol",
            "br",
        }
    )

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline, self.blocks = _Outline(), list[Block]()
        self.builder, self.label = _Builder(), ""
        self.hidden = self.items = self.bold = 0
        self.heading: int | None = None
        self.in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag in self.HIDDEN:
            self.hidden += 1
        elif tag == "title":
            self.in_title = True
        elif re.fullmatch("h[1-6]", tag):
            self.flush()
            self.heading = int(tag[1])
        elif tag in self.BLOCKS or tag == "li":
            self.flush()
            self.items += tag == "li"
        elif tag in {"b", "strong"}:
            self.bold += 1
        elif tag == "code":
            self.handle_data("`")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.HIDDEN:
            self.hidden = max(0, self.hidden - 1)
        elif tag == "title":
            self.in_title = False
        elif re.fullmatch("h[1-6]", tag):
            if self.heading is not None:
                self.outline.enter(self.heading, self.builder.text.replace("`", "").strip())
            self.builder, self.label, self.heading = _Builder(), "", None
        elif tag in self.BLOCKS or tag == "li":
            self.flush()
            self.items = max(0, self.items - (tag == "li"))
        elif tag in {"b", "strong"}:
            self.bold = max(0, self.bold - 1)
        elif tag == "code":
            self.handle_data("`")

    def handle_data(self, data: str) -> None:
        if self.hidden or self.in_title:
            return
        at_start = not self.builder.text or self.builder.text == self.label
        self.builder.add(data, self.getpos()[0])
        if self.bold and at_start:
            self.label = self.builder.text

    def flush(self) -> None:
        """End the block that was being gathered."""
        if self.heading is None:
            kind: Kind = "item" if self.items else "paragraph"
            self.blocks += self.builder.block(kind, self.outline.titles, self.label)
            self.builder, self.label = _Builder(), ""


def html_blocks(text: str) -> list[Block]:
    """Give the prose of an HTML page."""
    reader = _HtmlReader()
    reader.feed(text)
    reader.close()
    reader.flush()
    return reader.blocks
