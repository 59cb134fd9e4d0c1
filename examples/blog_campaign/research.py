"""Finds out what the sources are about (YAKE's key phrases) and which passages answer a question best (BM25).

Campos et al., "YAKE! Keyword extraction from single documents using multiple local features" (2020); Robertson and
Zaragoza, "The probabilistic relevance framework: BM25 and beyond" (2009).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import bm25s  # type: ignore[import-untyped]
import yake

from planner_graph.values import Value

from .language import Language, unspaced
from .passages import Passage
from .sources import Corpus

MOST_CHARACTERS = 200_000
"""How much text key phrases are extracted from; of more, evenly spread blocks are taken."""
CANDIDATES = 150
LONGEST_PHRASE = 3
FEW_BLOCKS = 20
_CLEAN = re.compile(r"[`*_#]{2,}|`")


class KeyPhrase(Value):
    """A phrase the sources turn on: ``weight`` is 1 for the most important one, ``mentions`` counts text blocks."""

    phrase: str
    weight: float
    mentions: int


def key_phrases(corpus: Corpus, language: Language, limit: int = 40) -> tuple[KeyPhrase, ...]:
    """Extract at most ``limit`` key phrases, most important first; inflections of one phrase count as one."""
    text = _sample(corpus)
    if unspaced(text):
        return _repeated(corpus, language)[:limit]
    extractor = yake.KeywordExtractor(lan=language.code, n=LONGEST_PHRASE, dedup_lim=0.85, top=CANDIDATES)
    blocks = [f" {' '.join(language.stems(block.text))} " for document in corpus.documents for block in document.blocks]
    fewest = 1 if len(blocks) < FEW_BLOCKS else 2  # in a longer text, what is said once is no key phrase
    found: dict[tuple[str, ...], KeyPhrase] = {}
    best = 0.0
    for raw, score in extractor.extract_keywords(text):
        stems = tuple(language.stems(raw))
        mentions = sum(f" {' '.join(stems)} " in block for block in blocks)
        if not stems or stems in found or mentions < fewest or not _readable(raw) or _incomplete(raw, text):
            continue
        best = best or float(score)
        found[stems] = KeyPhrase(phrase=raw, weight=round(best / max(float(score), best), 4), mentions=mentions)
    return tuple(found.values())[:limit]


def _sample(corpus: Corpus) -> str:
    """Give the prose of the corpus, thinned out evenly if there is too much of it."""
    blocks = [_CLEAN.sub("", block.text) for document in corpus.documents for block in document.blocks]
    total = sum(map(len, blocks))
    step = -(-total // MOST_CHARACTERS)
    return "\n\n".join(blocks[:: max(step, 1)])[: 2 * MOST_CHARACTERS]


def _repeated(corpus: Corpus, language: Language) -> tuple[KeyPhrase, ...]:
    """Give what stands in several blocks, for scripts without spaces: YAKE sees words between spaces only."""
    counts = Counter(
        term
        for document in corpus.documents
        for block in document.blocks
        for term in dict.fromkeys(language.stems(block.text))
    )
    most = max(counts.values(), default=1)
    return tuple(
        KeyPhrase(phrase=term, weight=round(count / most, 4), mentions=count)
        for term, count in counts.most_common()
        if count > 1 and len(term) > 1
    )


def _readable(phrase: str) -> bool:
    letters = sum(character.isalpha() for character in phrase)
    return letters > 1 and 2 * letters > len(phrase) and not re.search(r"[/\\<>(){}=]|www|https?", phrase)


def _incomplete(phrase: str, text: str) -> bool:
    """Whether several words are only the beginning of a turn of phrase, as "run side" is of "run side by side"."""
    if " " not in phrase:
        return False
    following = re.findall(rf"(?<!\w){re.escape(phrase)}\s+(\w+)", text, re.IGNORECASE)
    return len(following) > 1 and len({word.lower() for word in following}) == 1


class Ranking:
    """Tells how well each passage answers a query; the headings above a passage count as part of it."""

    def __init__(self, passages: Sequence[Passage], language: Language) -> None:
        self.passages = passages
        self._language = language
        self.stems = [language.stems(f"{' '.join(passage.section[-1:])} {passage.text}") for passage in passages]
        self._known = {stem for stems in self.stems for stem in stems}
        self._index = bm25s.BM25(backend="numpy")
        if self._known:
            self._index.index(self.stems, show_progress=False)

    def scores(self, query: str) -> list[float]:
        """Score every passage for ``query``, from 0 to 1 for the best one."""
        asked = [stem for stem in dict.fromkeys(self._language.stems(query)) if stem in self._known]
        if not asked:
            return [0.0] * len(self.passages)
        raw = [float(score) for score in self._index.get_scores(asked)]
        most = max(raw)
        return [round(score / most, 6) if most > 0 else 0.0 for score in raw]

    def salience(self, phrases: Iterable[KeyPhrase]) -> list[float]:
        """Score every passage by the key phrases in it, from 0 to 1; long passages gain nothing by their length."""
        weighted = [(f" {' '.join(self._language.stems(item.phrase))} ", item.weight) for item in phrases]
        raw = []
        for stems in self.stems:
            text = f" {' '.join(stems)} "
            raw.append(sum(weight for phrase, weight in weighted if phrase in text) / (len(stems) + 10) ** 0.5)
        most = max(raw, default=0.0)
        return [round(score / most, 6) if most > 0 else 0.0 for score in raw]
