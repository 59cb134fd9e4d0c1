"""Measures how hard a text is to read.

Flesch, "A new readability yardstick" (1948), with the constants of Amstad for German, Kandel and Moles for French,
Fernández Huerta for Spanish; Björnsson, "Läsbarhet" (1968), for LIX, which needs no syllables and fits any language
written with spaces.
"""

from collections.abc import Sequence

from planner_graph.values import Value

from .language import Language, words

LONG_WORD = 6
LONG_SENTENCE_WORDS = 25


class Readability(Value):
    """Figures of a text; ``reading_ease`` (Flesch, 100 is easy) is ``None`` for languages without constants."""

    words: int
    sentences: int
    words_per_sentence: float
    longest_sentence_words: int
    long_sentences: int
    lix: float
    reading_ease: float | None


def measure(sentences: Sequence[str], language: Language) -> Readability:
    """Measure sentences; code in back-ticks counts as one word each."""
    lengths = [len(words(sentence)) for sentence in sentences]
    found = [word for sentence in sentences for word in words(sentence)]
    total, count = max(len(found), 1), max(len(sentences), 1)
    long_words = sum(len(word) > LONG_WORD for word in found)
    return Readability(
        words=len(found),
        sentences=len(sentences),
        words_per_sentence=round(total / count, 2),
        longest_sentence_words=max(lengths, default=0),
        long_sentences=sum(length > LONG_SENTENCE_WORDS for length in lengths),
        lix=round(total / count + 100 * long_words / total, 1),
        reading_ease=_reading_ease(found, count, language),
    )


def _reading_ease(found: Sequence[str], sentences: int, language: Language) -> float | None:
    constants = language.lexicon.reading_ease
    syllables = [language.syllables(word) for word in found]
    known = [number for number in syllables if number is not None]
    if constants is None or not known:
        return None
    base, per_word, per_syllable = constants
    return round(base - per_word * len(known) / sentences - per_syllable * sum(known) / len(known), 1)
