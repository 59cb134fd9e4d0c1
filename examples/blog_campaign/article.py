"""The shape of a blog post on its way from writer to publisher, and its form as Markdown.

A paragraph is a row of spans; a span is what stands in one place of the sources, with the number of its footnote.
"""

import re
from collections.abc import Iterator

from planner_graph.values import Value

from .language import joined
from .markup import Kind
from .passages import Passage


class Reference(Value):
    """Where in the sources a span comes from."""

    file: str
    first_line: int
    last_line: int

    def __str__(self) -> str:
        last = f"-{self.last_line}" if self.last_line != self.first_line else ""
        return f"{self.file}:{self.first_line}{last}"


class Span(Value):
    """Sentences that follow each other in one source; ``note`` counts footnotes from 1."""

    sentences: tuple[str, ...]
    note: int

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return joined(self.sentences)


class Paragraph(Value):
    """A paragraph or a list item, with the bold words it begins with."""

    kind: Kind
    label: str = ""
    spans: tuple[Span, ...]


class Section(Value):
    """What the post says about one theme."""

    heading: str
    theme: str
    paragraphs: tuple[Paragraph, ...]


class Article(Value):
    """A blog post: title, opening, sections, and the places its footnotes name."""

    language: str
    title: str
    lead: tuple[Paragraph, ...]
    sections: tuple[Section, ...]
    references: tuple[Reference, ...]

    @property
    def paragraphs(self) -> Iterator[Paragraph]:
        """All paragraphs from the opening on."""
        yield from self.lead
        for section in self.sections:
            yield from section.paragraphs

    @property
    def sentences(self) -> Iterator[str]:
        """All sentences in reading order."""
        for paragraph in self.paragraphs:
            for span in paragraph.spans:
                yield from span.sentences

    @property
    def opening(self) -> tuple[str, ...]:
        """What the post begins with, sentence by sentence; bold words that stand for a sentence are one."""
        found: list[str] = []
        for paragraph in self.lead:
            found += [paragraph.label] if paragraph.label[-1:] in set(".!?") else []
            found += [sentence for span in paragraph.spans for sentence in span.sentences]
        return tuple(found)

    @property
    def prose(self) -> str:
        """All that is to be read, without headings."""
        return "\n\n".join(joined(span.text for span in paragraph.spans) for paragraph in self.paragraphs)


def reference(passage: Passage) -> Reference:
    """Give the place of a passage."""
    return Reference(file=passage.file, first_line=passage.first_line, last_line=passage.last_line)


def markdown(article: Article) -> str:
    """Write an article as Markdown with footnotes."""
    parts = [f"# {escaped(article.title)}", body_markdown(article), notes_markdown(article)]
    return "\n\n".join(part for part in parts if part) + "\n"


def body_markdown(article: Article) -> str:
    """Write the opening and the sections."""
    parts = [_paragraphs(article.lead)]
    for section in article.sections:
        parts += [f"## {escaped(section.heading)}", _paragraphs(section.paragraphs)]
    return "\n\n".join(part for part in parts if part)


def notes_markdown(article: Article) -> str:
    """Write the footnotes: file and lines of each passage."""
    return "\n".join(f"[^{number}]: `{place}`" for number, place in enumerate(article.references, start=1))


def escaped(text: str) -> str:
    r"""Keep characters from being read as markup, but for code: ``*`` becomes ``\*``, `` `*` `` stays."""
    pieces = re.split(r"(`[^`]*`)", text)
    safe = [
        piece if position % 2 else re.sub(r"([\\*<>\[\]#|~]|(?<!\w)_|_(?!\w)|&(?=#?\w+;))", r"\\\1", piece)
        for position, piece in enumerate(pieces)
    ]
    return re.sub(r"^(\d+)([.)] )", r"\1\\\2", re.sub(r"^([-+=])", r"\\\1", "".join(safe)))


def _paragraphs(paragraphs: tuple[Paragraph, ...]) -> str:
    text = ""
    for position, paragraph in enumerate(paragraphs):
        tight = paragraph.kind == "item" and position > 0 and paragraphs[position - 1].kind == "item"
        text += "" if not position else "\n" if tight else "\n\n"
        label = f"**{escaped(paragraph.label)}** " if paragraph.label else ""
        spans = " ".join(f"{escaped(span.text)}[^{span.note}]" for span in paragraph.spans)
        text += f"{'- ' if paragraph.kind == 'item' else ''}{label}{spans}"
    return text
