"""Makes a post easier to read without adding a word of its own.

Sentences that say again what was said are taken out, filler goes, over-long sentences are split where they are joined.
Every change is reported with the text before and after it.
"""

import re
from collections.abc import Sequence
from typing import Any

from .article import Article, Paragraph, Section, Span
from .language import Language, words
from .readability import LONG_SENTENCE_WORDS, measure

FEWEST_PART_WORDS = 5
REPEATED = 0.8
"""Share of common words from which one sentence repeats another."""

Change = dict[str, str]


class Editor:
    """Edits one article; ``changes`` lists what was done, in reading order."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.changes: list[Change] = []
        self._said: list[set[str]] = []

    def edit(self, article: Article) -> Article:
        """Give the edited article; paragraphs and sections left empty are gone, footnotes stay in order."""
        lead = self._paragraphs(article.lead)
        sections = [
            Section(heading=section.heading, theme=section.theme, paragraphs=self._paragraphs(section.paragraphs))
            for section in article.sections
        ]
        kept = tuple(section for section in sections if section.paragraphs)
        return renumbered(article.model_copy(update={"lead": lead, "sections": kept}))

    def _paragraphs(self, paragraphs: Sequence[Paragraph]) -> tuple[Paragraph, ...]:
        found = []
        for paragraph in paragraphs:
            spans = [span for span in map(self._span, paragraph.spans) if span.sentences]
            if spans:
                found.append(paragraph.model_copy(update={"spans": tuple(spans)}))
        return tuple(found)

    def _span(self, span: Span) -> Span:
        sentences: list[str] = []
        for sentence in span.sentences:
            if self._repeats(sentence):
                self._changed("repetition removed", sentence, "")
                continue
            tidy = self._without_filler(self._without_doubles(finished(sentence)))
            sentences += self._split(tidy)
        return Span(sentences=tuple(sentences), note=span.note)

    def _repeats(self, sentence: str) -> bool:
        stems = set(self.language.stems(sentence))
        for said in self._said:
            if stems and len(stems & said) >= REPEATED * max(len(stems), len(said)):
                return True
        self._said.append(stems)
        return False

    def _without_doubles(self, sentence: str) -> str:
        """Mend a function word that was typed twice ("the the"); "that that" and "had had" may be meant."""
        text = re.sub(r"\b(the|a|an|of|to|and|in|is|for|with|on)\s+\1\b", r"\1", sentence)
        if text != sentence and self.language.code == "en":
            self._changed("doubled word removed", sentence, text)
            return text
        return sentence

    def _without_filler(self, sentence: str) -> str:
        """Take filler out, but not out of code."""
        pieces = re.split(r"(`[^`]*`)", sentence)
        for phrase, replacement in self.language.lexicon.fillers.items():
            boundary = "" if phrase.endswith(",") else r"\b"
            pattern = re.compile(rf"\b{re.escape(phrase)}{boundary}\s*", re.IGNORECASE)
            pieces[::2] = [pattern.sub(f"{replacement} " if replacement else "", piece) for piece in pieces[::2]]
        text = re.sub(r"\s+([,.;:!?])", r"\1", re.sub(r" {2,}", " ", "".join(pieces))).strip()
        if text == sentence or len(words(text)) < FEWEST_PART_WORDS:
            return sentence
        text = text[:1].upper() + text[1:] if sentence[:1].isupper() else text
        self._changed("filler removed", sentence, text)
        return text

    def _split(self, sentence: str) -> list[str]:
        """Split a long sentence at its semicolons or before a clause with a subject of its own."""
        if len(words(sentence)) <= LONG_SENTENCE_WORDS:
            return [sentence]
        for parts in (self._at_semicolons(sentence), self._at_joint(sentence)):
            if len(parts) > 1:
                self._changed("long sentence split", sentence, " ".join(parts))
                return [piece for part in parts for piece in self._split(part)]
        return [sentence]

    def _at_semicolons(self, sentence: str) -> list[str]:
        """Split at semicolons outside of brackets, quotations and code, unless they separate the items of a list."""
        parts = _outside(sentence, r";\s+")
        if ":" in parts[0] or any(len(words(part)) < FEWEST_PART_WORDS for part in parts):
            return [sentence]
        return [_as_sentence(part) for part in parts]

    def _at_joint(self, sentence: str) -> list[str]:
        joints = self.language.lexicon.joints
        if not joints:
            return [sentence]
        subjects = "|".join(map(re.escape, joints))
        parts = _outside(sentence, rf",\s+(?:and|but|so)\s+(?=(?:{subjects})\b)")
        if len(parts) == 1 or any(len(words(part)) < FEWEST_PART_WORDS for part in parts):
            return [sentence]
        joined = re.findall(rf",\s+(and|but|so)\s+(?=(?:{subjects})\b)", sentence)
        starts = ["", *("But " if word == "but" else "So " if word == "so" else "" for word in joined)]
        return [_as_sentence(start + part) for start, part in zip(starts, parts, strict=False)]

    def _changed(self, kind: str, before: str, after: str) -> None:
        self.changes.append({"change": kind, "before": before, "after": after})


def improvements(before: Article, after: Article, changes: Sequence[Change], language: Language) -> dict[str, Any]:
    """Report the figures before and after the edit, how many changes of each kind there are, and the changes."""
    kinds = ("repetition removed", "doubled word removed", "filler removed", "long sentence split")
    return {
        "before": measure(list(before.sentences), language).model_dump(mode="json"),
        "after": measure(list(after.sentences), language).model_dump(mode="json"),
        "counts": {kind: sum(change["change"] == kind for change in changes) for kind in kinds},
        "changes": list(changes),
    }


def finished(sentence: str) -> str:
    """Give a sentence that starts with a capital, where its script has them, and ends with a full stop."""
    text = " ".join(sentence.split())
    if text and text[-1].isalnum():
        text += "."
    return text


def renumbered(article: Article) -> Article:
    """Number the footnotes in reading order and drop those that nothing refers to."""
    order = list(dict.fromkeys(span.note for paragraph in article.paragraphs for span in paragraph.spans))
    numbers = {old: new for new, old in enumerate(order, start=1)}

    def moved(paragraphs: Sequence[Paragraph]) -> tuple[Paragraph, ...]:
        return tuple(
            paragraph.model_copy(
                update={"spans": tuple(Span(sentences=s.sentences, note=numbers[s.note]) for s in paragraph.spans)}
            )
            for paragraph in paragraphs
        )

    return article.model_copy(
        update={
            "lead": moved(article.lead),
            "sections": tuple(s.model_copy(update={"paragraphs": moved(s.paragraphs)}) for s in article.sections),
            "references": tuple(article.references[old - 1] for old in order),
        }
    )


def _outside(sentence: str, separator: str) -> list[str]:
    """Split at ``separator`` where it stands in no brackets, quotation marks or code."""
    covered = [match.span() for match in re.finditer(r"`[^`]*`|\([^()]*\)|\"[^\"]*\"|“[^”]*”", sentence)]
    parts, start = [], 0
    for match in re.finditer(separator, sentence):
        if not any(left <= match.start() < right for left, right in covered):
            parts.append(sentence[start : match.start()])
            start = match.end()
    return [*parts, sentence[start:]]


def _as_sentence(part: str) -> str:
    text = part.strip().rstrip(",;")
    first = (text.split() or [""])[0]
    is_name = "_" in first or any(character.isupper() for character in first[1:])
    text = text if is_name else text[:1].upper() + text[1:]
    return text if text[-1:] in ".!?…" else f"{text}."
