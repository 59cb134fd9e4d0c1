"""Composes a structured post from passages: an opening, a section for each theme, a footnote for each passage."""

from collections.abc import Sequence
from typing import Any

from .article import Article, Paragraph, Reference, Section, Span, reference
from .evidence import Insight
from .language import cut, words
from .markup import Kind
from .passages import Passage

PARAGRAPH_WORDS = 75
TEASER_LIMIT = 200


def compose(title: str, language: str, leads: Sequence[Passage], insights: Sequence[Insight]) -> Article:
    """Write the post.

    Passages keep the order of the sources; neighbours from one document share a paragraph of at most 75 words, items
    of a list stay items if there are two of them at least.
    """
    notes: list[Reference] = []
    lead = _paragraphs(leads, notes)
    sections = tuple(
        Section(heading=insight.heading, theme=insight.theme, paragraphs=_paragraphs(insight.passages, notes))
        for insight in insights
    )
    return Article(language=language, title=title, lead=lead, sections=sections, references=tuple(notes))


def pieces(article: Article) -> dict[str, Any]:
    """Give the parts of a post that other channels reuse: summary, a quotation and a teaser for each section."""
    firsts = [(section, section.paragraphs[0].spans[0]) for section in article.sections if section.paragraphs]
    return {
        "summary": " ".join(article.opening),
        "key_quotations": [
            {"theme": section.theme, "text": span.text, "source": str(article.references[span.note - 1])}
            for section, span in firsts
        ],
        "teasers": [
            {"theme": section.theme, "text": cut(f"{section.heading}: {span.text}", TEASER_LIMIT)}
            for section, span in firsts
        ],
    }


def _paragraphs(passages: Sequence[Passage], notes: list[Reference]) -> tuple[Paragraph, ...]:
    """Put passages into paragraphs and number their footnotes; ``notes`` grows by theirs."""
    found: list[Paragraph] = []
    previous: Passage | None = None
    for passage in passages:
        listed = passage.kind == "item" and (passage.label or _listed(passage, passages))
        kind: Kind = "item" if listed else "paragraph"
        last = found[-1] if found else None
        if previous and last and not passage.label and passage.place[:2] == previous.place[:2]:
            found[-1] = _continued(last, passage, notes)
        else:
            span = Span(sentences=passage.sentences, note=_note(reference(passage), notes))
            if previous and last and _joins(passage, previous, last, kind):
                found[-1] = last.model_copy(update={"spans": (*last.spans, span)})
            else:
                found.append(Paragraph(kind=kind, label=passage.label, spans=(span,)))
        previous = passage
    return tuple(found)


def _continued(paragraph: Paragraph, passage: Passage, notes: list[Reference]) -> Paragraph:
    """Go on with a passage from the same place: its sentences share the footnote, which then names all lines."""
    last = paragraph.spans[-1]
    place = notes[last.note - 1]
    notes[last.note - 1] = place.model_copy(update={"last_line": max(place.last_line, passage.last_line)})
    longer = Span(sentences=(*last.sentences, *passage.sentences), note=last.note)
    return paragraph.model_copy(update={"spans": (*paragraph.spans[:-1], longer)})


def _note(place: Reference, notes: list[Reference]) -> int:
    if place not in notes:
        notes.append(place)
    return notes.index(place) + 1


def _listed(passage: Passage, passages: Sequence[Passage]) -> bool:
    """Whether there are two or more list items of one section, so that a list is worth it."""
    alike = [p for p in passages if p.kind == "item" and (p.file, p.section) == (passage.file, passage.section)]
    return len({p.place[:2] for p in alike}) > 1


def _joins(passage: Passage, previous: Passage, paragraph: Paragraph, kind: Kind) -> bool:
    """Whether a passage goes on in the paragraph of the one before it."""
    if kind != "paragraph" or paragraph.kind != kind or passage.label or passage.file != previous.file:
        return False
    length = sum(len(words(span.text)) for span in paragraph.spans) + len(words(passage.text))
    return length <= PARAGRAPH_WORDS
