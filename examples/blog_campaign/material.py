"""What planner and researcher both work on: the sources, read and taken apart."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from planner_graph.errors import Finding

from .language import Language, detect, words
from .passages import Passage, passages
from .research import KeyPhrase, Ranking, key_phrases
from .sources import Corpus, SourcesError, read_sources
from .strategy import Strategist


@dataclass(frozen=True)
class Material:
    """The sources of a campaign with their language, passages, key phrases and the ranking of the passages."""

    corpus: Corpus
    language: Language
    passages: Sequence[Passage]
    brief: str

    @cached_property
    def phrases(self) -> tuple[KeyPhrase, ...]:
        """Key phrases of the sources, most important first."""
        return key_phrases(self.corpus, self.language)

    @cached_property
    def ranking(self) -> Ranking:
        """The ranking of the passages."""
        return Ranking(self.passages, self.language)

    @property
    def strategist(self) -> Strategist:
        """Who derives subject and themes from this material."""
        return Strategist(
            language=self.language,
            passages=self.passages,
            phrases=self.phrases,
            ranking=self.ranking,
            brief=self.brief,
            names=self._names(),
        )

    def _names(self) -> frozenset[str]:
        """List the words that have a capital inside of sentences more often than not."""
        inside = Counter(
            word
            for passage in self.passages
            for sentence in passage.sentences
            for word in words(sentence)[1:]
            if word.isalpha()
        )
        return frozenset(word for word in inside if word[:1].isupper() and inside[word] > inside[word.lower()])


def gather(campaign: Mapping[str, Any], language: str | None = None) -> Material:
    """Read the sources of a campaign; their language is told from their text unless it is given.

    Raises:
        SourcesError: the sources cannot be used; all findings at once.
    """
    corpus = read_sources(campaign.get("sources", ()))
    spoken = Language(language or detect("\n".join(document.text for document in corpus.documents)))
    found = passages(corpus, spoken)
    if not found:
        problem, remedy = "there is no sentence in the sources", "name files with prose in them"
        raise SourcesError([Finding(problem=problem, remedy=remedy, key="sources")])
    return Material(corpus, spoken, found, str(campaign.get("brief", "")))
