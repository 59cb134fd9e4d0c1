"""Picks the passages a post is made of: an opening, a few for each theme, and those that compare.

A passage is used once, where it fits best, and never beside one that says nearly the same.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from planner_graph.values import Value

from .language import Language, words
from .passages import Passage
from .research import KeyPhrase, Ranking
from .strategy import Theme

MOST_PER_THEME = 5
MOST_LEADS = 2
MOST_ALONE = 8
LEAD_WORDS = 60
FEWEST_LEAD_WORDS = 8
MOST_COMPARISONS = 10
ALIKE, CONTAINED = 0.6, 0.9
"""Shares of common words, in the longer and in the shorter of two passages, from which they say nearly the same."""
RELATED = 0.6
"""How well a passage from elsewhere must answer the query of a theme."""
FAIR = 0.3
"""How good a passage must be, compared with the best one of its theme."""


class Insight(Value):
    """The telling passages of one theme, those from the section it is named after first."""

    theme: str
    heading: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, kw_only=True)
class Gatherer:
    """Chooses among the passages of the sources."""

    language: Language
    passages: Sequence[Passage]
    phrases: Sequence[KeyPhrase]
    ranking: Ranking

    def leads(self, subject: str, brief: str, *, alone: bool) -> tuple[Passage, ...]:
        """Choose what the post opens with: what defines its subject, near the beginning of a document if possible.

        ``alone`` says that no section will follow; then the opening is all there is, up to eight passages.
        """
        scores = self._leading(subject, brief)
        ranked = sorted(range(len(self.passages)), key=lambda number: (-scores[number], number))
        if alone:
            return tuple(self.passages[number] for number in sorted(ranked[:MOST_ALONE]))
        best = self.passages[ranked[0]]
        chosen = [best]
        for passage in self.passages:  # the same paragraph, or the next one, goes on
            near = passage.place[0] == best.place[0] and 0 <= passage.place[1] - best.place[1] <= 1
            room = len(words(" ".join(item.text for item in [*chosen, passage]))) <= LEAD_WORDS
            if near and room and passage.place > best.place and passage.kind == best.kind and len(chosen) < MOST_LEADS:
                chosen.append(passage)
        return tuple(chosen)

    def _leading(self, subject: str, brief: str) -> list[float]:
        """Score every passage as the beginning of a post."""
        asked = self.ranking.scores(brief)
        salience = self.ranking.salience(self.phrases)
        name = subject.casefold()
        scores = []
        for number, passage in enumerate(self.passages):
            start = passage.text.replace("`", "").casefold()
            early = passage.opening + (passage.place[0] == 0 and passage.place[1] < MOST_LEADS)
            defines = start.startswith(name) and passage.kind == "paragraph"
            weak = (passage.kind == "item") + 2 * (len(words(passage.text)) < FEWEST_LEAD_WORDS)
            scores.append(asked[number] + 0.5 * salience[number] + 0.5 * early + defines - 0.5 * weak)
        return scores

    def insights(self, themes: Sequence[Theme], brief: str, used: Sequence[Passage]) -> tuple[Insight, ...]:
        """Choose at most five passages for each theme; a theme that nothing supports is left out."""
        fits = [self._fits(theme, brief) for theme in themes]
        taken = [set(self.language.stems(passage.text)) for passage in used]
        found = []
        for position, theme in enumerate(themes):
            own = fits[position]
            best = max(own, default=0.0)
            order = sorted(
                (number for number, score in enumerate(own) if score > 0 and score >= FAIR * best),
                key=lambda number: (-own[number], number),
            )
            chosen: list[int] = []
            for number in order:
                elsewhere = any(other[number] > own[number] for other in fits)
                for candidate in [] if elsewhere else [number, *self._going_on(number)]:
                    stems = set(self.language.stems(self.passages[candidate].text))
                    if len(chosen) < MOST_PER_THEME and not any(_alike(stems, other) for other in taken):
                        chosen.append(candidate)
                        taken.append(stems)
            if chosen:
                home = (theme.file, theme.section)
                ordered = sorted(chosen, key=lambda number: (self._home(number) != home, number))
                passages = tuple(self.passages[number] for number in ordered)
                found.append(Insight(theme=theme.name, heading=theme.heading, passages=passages))
        full = tuple(insight for insight in found if len(insight.passages) > 1)
        return full if len(full) > 1 else tuple(found)

    def _home(self, number: int) -> tuple[str, tuple[str, ...]]:
        return self.passages[number].file, self.passages[number].section

    def _going_on(self, number: int) -> list[int]:
        """Give the passages that go on in the same paragraph."""
        block, found = self.passages[number].place[:2], list[int]()
        for following in range(number + 1, len(self.passages)):
            passage = self.passages[following]
            if passage.place[:2] != block or passage.kind != "paragraph":
                break
            found.append(following)
        return found

    def comparisons(self) -> list[dict[str, Any]]:
        """List the passages in which the sources compare something, with the words that show it."""
        found = []
        for passage in self.passages:
            signs = [
                match[0]
                for pattern in self.language.lexicon.comparisons
                for match in re.finditer(pattern, passage.text, re.IGNORECASE)
            ]
            if signs:
                found.append({"text": passage.text, "source": cited(passage), "signs": signs})
        return found[:MOST_COMPARISONS]

    def trends(self, themes: Iterable[Theme]) -> list[dict[str, Any]]:
        """Measure how much room each theme takes in the sources: documents, passages, and their share."""
        measured = []
        for theme in themes:
            asked = set(self.language.stems(theme.name))
            about = [
                passage
                for passage, stems in zip(self.passages, self.ranking.stems, strict=True)
                if asked and asked <= set(stems)
            ]
            measured.append(
                {
                    "theme": theme.name,
                    "documents": len({passage.file for passage in about}),
                    "passages": len(about),
                    "share": round(len(about) / len(self.passages), 4),
                }
            )
        return measured

    def _fits(self, theme: Theme, brief: str) -> list[float]:
        """Score every passage for a theme: by its query, its place, the brief and the key phrases in it."""
        query = self.ranking.scores(theme.query)
        asked = self.ranking.scores(brief)
        salience = self.ranking.salience(self.phrases)
        scores = []
        for number, passage in enumerate(self.passages):
            at_home = bool(theme.section) and self._home(number) == (theme.file, theme.section)
            related = at_home or not theme.section or (query[number] >= RELATED and passage.kind == "paragraph")
            first = passage.place[2] == 0  # the sentence a paragraph begins with says what it is about
            score = query[number] + 0.75 * at_home + 0.2 * first + 0.3 * asked[number] + 0.3 * salience[number]
            scores.append(round(score, 6) if related and (at_home or query[number] > 0) else 0.0)
        return scores


def cited(passage: Passage) -> str:
    """Name where a passage stands: ``docs/design.md:12-14``."""
    last = f"-{passage.last_line}" if passage.last_line != passage.first_line else ""
    return f"{passage.file}:{passage.first_line}{last}"


def _alike(one: set[str], other: set[str]) -> bool:
    common = len(one & other)
    return common > 0 and (
        common >= ALIKE * max(len(one), len(other)) or common >= CONTAINED * min(len(one), len(other))
    )
