"""What the agents ask of a language: words, sentences, word stems, syllables.

Each question is answered by a library that ships its data: py3langid tells the language, sentencex splits sentences,
snowballstemmer gives stems, YAKE the stop words, pyphen the syllables.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property

import py3langid  # type: ignore[import-untyped]
import pyphen  # type: ignore[import-untyped]
import sentencex  # type: ignore[import-untyped]
import snowballstemmer  # type: ignore[import-untyped]
import yake

from .lexicon import Lexicon, lexicon

DETECTION_CHARACTERS = 20_000
"""How much text is looked at to tell its language."""

# Scripts written without spaces: there, two neighbouring characters stand for a word, as is usual in text retrieval.
UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{UNSPACED}]+|(?:(?![{UNSPACED}])\w)+(?:['\u2019.-](?:(?![{UNSPACED}])\w)+)*")
_UNSPACED = re.compile(rf"[{UNSPACED}]")

_STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "nb": "norwegian",
    "no": "norwegian",
    "fa": "persian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}


def detect(text: str) -> str:
    """Give the ISO 639-1 code of the language of ``text``; ``"en"`` if there are no words to tell it from."""
    sample = text[:DETECTION_CHARACTERS]
    if not re.search(r"[^\W\d_]{2}", sample):
        return "en"
    return str(py3langid.classify(sample)[0])


class Language:
    """One language by its ISO 639-1 code; for one that no library knows, words stay as they are."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._stemmer = snowballstemmer.stemmer(_STEMMERS[code]) if code in _STEMMERS else None
        self._stems: dict[str, str] = {}

    @cached_property
    def lexicon(self) -> Lexicon:
        """The words of this language that the agents write or look for."""
        return lexicon(self.code)

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """Words too common to say what a text is about."""
        return frozenset(word for word in yake.KeywordExtractor(lan=self.code).stopword_set if word)

    @cached_property
    def _hyphenation(self) -> pyphen.Pyphen | None:
        known = pyphen.language_fallback(self.code)
        return pyphen.Pyphen(lang=known) if known else None

    def sentences(self, text: str) -> Iterator[tuple[int, str]]:
        """Split ``text``; gives each sentence with the offset at which it starts."""
        for sentence in sentencex.get_sentence_boundaries(self.code, text):
            raw = sentence["text"]
            if raw.strip():
                yield sentence["start_index"] + len(raw) - len(raw.lstrip()), raw.strip()

    def stems(self, text: str) -> list[str]:
        """Give the stems of the words that carry meaning, in the order of the text."""
        return [self.stem(word) for word in terms(text) if word not in self.stop_words]

    def stem(self, word: str) -> str:
        """Give the stem of one word."""
        if self._stemmer is None:
            return word
        if word not in self._stems:
            self._stems[word] = self._stemmer.stemWord(word)
        return self._stems[word]

    def syllables(self, word: str) -> int | None:
        """Count syllables by the places where a word may be hyphenated; ``None`` where the language is unknown."""
        return None if self._hyphenation is None else len(self._hyphenation.positions(word)) + 1

    def join(self, names: Iterable[str]) -> str:
        """Enumerate: ``"a, b and c"``; with commas only where the language's word for "and" is not known."""
        *firsts, last = names
        if not firsts:
            return last
        before_last = f" {self.lexicon.conjunction} " if self.lexicon.conjunction else ", "
        return f"{', '.join(firsts)}{before_last}{last}"


def words(text: str) -> list[str]:
    """Give the words of ``text``; in scripts without spaces every character counts as one."""
    found = []
    for word in _WORD.findall(text):
        found += list(word) if _UNSPACED.match(word) else [word]
    return found


def terms(text: str) -> list[str]:
    """Give the words of ``text`` in lower case; in scripts without spaces, each pair of neighbours."""
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if not _UNSPACED.match(word) or len(word) == 1:
            found.append(word)
        else:
            found += [word[start : start + 2] for start in range(len(word) - 1)]
    return found


def joined(sentences: Iterable[str]) -> str:
    """Put sentences together, with spaces between them where their script has them."""
    return re.sub("(?<=[\u3002\uff01\uff1f]) ", "", " ".join(sentences))


def unspaced(text: str) -> bool:
    """Whether most of ``text`` is in a script written without spaces between words."""
    return 2 * len(_UNSPACED.findall(text)) > sum(character.isalnum() for character in text)


def cut(text: str, limit: int, *, ellipsis: str = "…") -> str:
    """Shorten ``text`` to at most ``limit`` characters at the end of a word, with an ellipsis if anything is lost."""
    if len(text) <= limit:
        return text
    room = text[: limit - len(ellipsis) + 1]
    end = room.rfind(" ")
    if end < limit // 2:  # one long word, or a script without spaces
        end = limit - len(ellipsis)
    return text[:end].rstrip(" ,;:.\u2013\u2014-(") + ellipsis
