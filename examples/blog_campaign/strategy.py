"""Decides what the post is about: its subject, its themes in order, its working title, and when to publish what.

The brief says what to cover: each of its clauses is a question put to the sections of the sources. Sections that weigh
most fill what is left. Sources without headings are divided by their key phrases.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from planner_graph.values import Value

from .language import Language, cut, words
from .passages import Passage
from .research import KeyPhrase, Ranking

MOST_THEMES, FEWEST_THEMES, TITLE_THEMES = 6, 2, 3
PASSAGES_PER_THEME = 3
TITLE_LIMIT = 60
LONG_HEADING, HEADING_LIMIT = 45, 70
SHORT_NAME_WORDS = 3
TOP_PHRASES = 10
FEWEST_PASSAGES = 2
ANSWERS = 0.35
"""How well a section must answer a clause of the brief, compared with the best answer to the whole brief."""

_NUMBER = re.compile(
    r"^\s*(?:(?:step|part|chapter)\s+)?(?:\d+(?:\.\d+)*[.):]?|[A-Z][.)]|§+\s*\d+)[\s:.\u2013\u2014-]+", re.IGNORECASE
)
_VERSION = re.compile(r"^\W*(?:version|release|v)?\s*\d+\.\d+|\b\d{4}-\d\d-\d\d\b", re.IGNORECASE)
_ASIDE = re.compile(r"\s*\([^)]*\)")
_CLAUSE = re.compile(r"[,;:.!?\n()\u2013\u2014]+")


class Theme(Value):
    """What one section of the post is about.

    ``name`` is short, for titles; ``heading`` stands above the section. ``query`` finds its passages. ``weight`` is 1
    for the weightiest theme. ``file`` and ``section`` say where in the sources it comes from; a theme that comes from
    a key phrase has neither.
    """

    name: str
    heading: str
    query: str
    weight: float
    file: str = ""
    section: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A section of the sources with its passages (by number) and how much its best ones weigh."""

    file: str
    section: tuple[str, ...]
    members: tuple[int, ...]
    weight: float


@dataclass(frozen=True, kw_only=True)
class Strategist:
    """Derives themes and title from passages, key phrases and brief.

    ``names`` are words that the sources write with a capital inside of sentences.
    """

    language: Language
    passages: Sequence[Passage]
    phrases: Sequence[KeyPhrase]
    ranking: Ranking
    brief: str
    names: frozenset[str]

    def subject(self) -> str:
        """Name what the sources are about: the first document's title or the key phrase that the brief names too."""
        choices = [self._given_name(), *(item.phrase for item in self.phrases)]
        return next((name for name in choices if name), cut(self.passages[0].text, TITLE_LIMIT // 2, ellipsis=""))

    def title(self, themes: Sequence[Theme]) -> str:
        """Write a title that names the subject and as many themes as fit: ``"Subject: this, that and more"``.

        Sources and brief that give no name to their subject are called by their first sentence.
        """
        name = self._given_name()
        if not name:
            return cut(self.passages[0].sentences[0].rstrip(".\u3002").replace("`", ""), TITLE_LIMIT)
        return working_title(name, themes, self.language)

    def _given_name(self) -> str:
        title = self._document_title()
        asked = set(self._stems(self.brief))
        if title and (not asked or asked & set(self._stems(title))):
            return title
        named = [
            (match.start(), item.phrase)
            for item in self.phrases[:TOP_PHRASES]
            if (match := re.search(rf"(?<!\w){re.escape(item.phrase)}(?!\w)", self.brief, re.IGNORECASE))
        ]
        return min(named)[1] if named else title

    def _document_title(self) -> str:
        top = next((passage.section[0] for passage in self.passages if passage.section), "")
        name = re.split(r"\s+[\u2013\u2014|-]\s+|:\s", _NUMBER.sub("", top))[0].strip()
        return name if len(words(name)) <= SHORT_NAME_WORDS + 1 and not self._is_common(name) else ""

    def themes(self) -> tuple[Theme, ...]:
        """Choose at most six themes; none if there is too little text to divide."""
        most = min(MOST_THEMES, len(self.passages) // PASSAGES_PER_THEME)
        if most < FEWEST_THEMES:
            return ()
        candidates = self._candidates()
        if len(candidates) < FEWEST_THEMES:
            return self._from_phrases(most)
        answering = self._answering(candidates)[:most]
        fewest = most if len(answering) < FEWEST_THEMES else TITLE_THEMES
        return self._named([candidates[number] for number in self._filled(answering, candidates, fewest)])

    def _filled(self, answering: Sequence[int], candidates: Sequence[_Candidate], wanted: int) -> list[int]:
        """Fill up with the weightiest sections in the order of the sources; each more from one document counts half."""
        chosen = list(answering)
        while len(chosen) < min(wanted, len(candidates)):
            taken = [candidates[number].file for number in chosen]
            rest = [number for number in range(len(candidates)) if number not in chosen]
            weights = {
                number: candidates[number].weight * 0.5 ** taken.count(candidates[number].file) for number in rest
            }
            chosen.append(min(rest, key=lambda number: (-weights[number], number)))
        return [*answering, *sorted(chosen[len(answering) :])]

    def _candidates(self) -> list[_Candidate]:
        """Divide the passages by the headings above them; neither a release nor the opening is a candidate."""
        salience, subject = self.ranking.salience(self.phrases), self.subject()
        groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for number, passage in enumerate(self.passages):
            if passage.section:
                groups.setdefault((passage.file, passage.section), []).append(number)
        found = []
        for (file, section), members in groups.items():
            if len(members) < FEWEST_PASSAGES or _VERSION.search(section[-1]) or section[-1] == subject:
                continue
            best = sorted((salience[number] for number in members), reverse=True)[:PASSAGES_PER_THEME]
            weight = round(sum(best) / PASSAGES_PER_THEME, 6)
            found.append(_Candidate(file=file, section=section, members=tuple(members), weight=weight))
        return found

    def _answering(self, candidates: Sequence[_Candidate]) -> list[int]:
        """Find, for each clause of the brief in turn, the section that answers it best; each section once."""
        whole = self.ranking.scores(self.brief)
        chosen: list[int] = []
        for clause in questions(self.brief):
            scores = self.ranking.scores(clause)
            answers = []
            for number, candidate in enumerate(candidates):
                best = sorted((scores[member] for member in candidate.members), reverse=True)[:PASSAGES_PER_THEME]
                headed = len(set(self._stems(clause)) & set(self._stems(candidate.section[-1])))
                support = max(whole[member] for member in candidate.members)
                if headed or support >= ANSWERS:
                    answers.append((-sum(best) / PASSAGES_PER_THEME - headed, number))
            taken = next((number for score, number in sorted(answers) if number not in chosen and score < 0), None)
            if taken is not None:
                chosen.append(taken)
        return chosen

    def _named(self, candidates: Sequence[_Candidate]) -> tuple[Theme, ...]:
        heaviest = max((candidate.weight for candidate in candidates), default=0.0) or 1.0
        used: set[str] = set()
        themes = []
        for candidate in candidates:
            texts = [self.passages[number].text for number in candidate.members]
            phrases = self._phrases_in(texts)
            heading = self._heading(candidate.section, phrases, used)
            used.add(heading.casefold())
            themes.append(
                Theme(
                    name=self._short_name(heading, phrases),
                    heading=heading,
                    query=" ".join([heading, *phrases[:PASSAGES_PER_THEME]]),
                    weight=round(candidate.weight / heaviest, 4),
                    file=candidate.file,
                    section=candidate.section,
                )
            )
        return tuple(themes)

    def _from_phrases(self, most: int) -> tuple[Theme, ...]:
        """Make themes of the key phrases that several passages share, no word in two of them."""
        themes: list[Theme] = []
        used: set[str] = set()
        most_fitting = max(FEWEST_PASSAGES, 2 * len(self.passages) // 3)
        for item in self.phrases:
            stems = set(self._stems(item.phrase))
            fitting = sum(stems <= set(found) for found in self.ranking.stems)
            if FEWEST_PASSAGES <= fitting <= most_fitting and not stems & used and len(themes) < most:
                used |= stems
                heading = self._sentence_case(item.phrase)
                themes.append(Theme(name=item.phrase, heading=heading, query=item.phrase, weight=item.weight))
        return tuple(themes) if len(themes) > 1 else ()

    def _heading(self, section: Sequence[str], phrases: Sequence[str], used: Iterable[str]) -> str:
        """Write a heading: the source's own if it says something, else the first key phrase that is free."""
        own = _ASIDE.sub("", _NUMBER.sub("", section[-1])).strip().rstrip(".:;,!#¶ ").strip()
        telling = any(character.isalpha() for character in own) and not self._is_common(own)
        if telling and len(own) > LONG_HEADING:
            own = own.split(": ")[0]
        choices = [own] if telling and len(own) <= HEADING_LIMIT else []
        choices += [phrase for phrase in phrases if len(words(phrase)) > 1] + list(phrases) + [own]
        choice = next((text for text in choices if text and self._sentence_case(text).casefold() not in used), own)
        return self._sentence_case(choice)

    def _short_name(self, heading: str, phrases: Sequence[str]) -> str:
        """Give the name of a theme for use inside a title."""
        first = re.split(r":\s|,\s|\s[\u2013\u2014-]\s", heading)[0].rstrip("?!")
        if len(words(first)) <= SHORT_NAME_WORDS:
            return self._inside(first)
        said = set(self._stems(heading))
        close = sorted(phrases, key=lambda phrase: (not said & set(self._stems(phrase)), len(words(phrase)) == 1))
        return self._inside(next(iter(close), cut(first, 30, ellipsis="")))

    def _phrases_in(self, texts: Sequence[str]) -> list[str]:
        """List the key phrases that occur in more than one of the texts, those most at home here first."""
        stemmed = [f" {' '.join(self._stems(text))} " for text in texts]
        scored = []
        for rank, item in enumerate(self.phrases):
            here = sum(f" {' '.join(self._stems(item.phrase))} " in text for text in stemmed)
            if here > 1:
                scored.append((-here / item.mentions, rank, item.phrase))
        return [phrase for _, _, phrase in sorted(scored)]

    def _inside(self, text: str) -> str:
        """Write words small, as inside a sentence; names, German nouns and abbreviations stay as they are."""
        return " ".join(
            word if word in self.names or not word[1:].islower() else word.lower() for word in text.split(" ")
        )

    @staticmethod
    def _sentence_case(text: str) -> str:
        first = text.split(" ", maxsplit=1)[0]
        is_name = "_" in first or any(character.isupper() or character == "." for character in first[1:])
        return text if is_name else text[:1].upper() + text[1:]

    def _is_common(self, text: str) -> bool:
        return text.casefold().strip() in self.language.lexicon.common_headings

    def _stems(self, text: str) -> list[str]:
        return self.language.stems(text)


def questions(brief: str) -> list[str]:
    """Split a brief into what it asks to be covered; what stands before a colon, or first, says the aim only."""
    _, colon, asked = brief.partition(":")
    clauses = [clause for clause in _CLAUSE.split(asked if colon else brief) if words(clause)]
    return clauses[1:] if clauses[1:] and not colon else clauses


def aim(brief: str) -> str:
    """Give the part of a brief that says what the post is for."""
    before, colon, _ = brief.partition(":")
    first = before if colon else next((clause for clause in _CLAUSE.split(brief) if words(clause)), "")
    return " ".join(first.split())


def working_title(subject: str, themes: Sequence[Theme], language: Language, limit: int = TITLE_LIMIT) -> str:
    """Write a title that names the subject and as many themes as fit: ``"Subject: this, that and more"``."""
    names = [theme.name for theme in themes if theme.name.casefold() != subject.casefold()]
    names = list(dict.fromkeys(name for name in names if subject.casefold() not in name.casefold()))
    chosen: list[str] = []
    said: set[str] = set()
    for name in names:
        stems = set(language.stems(name))
        if (
            len(chosen) < TITLE_THEMES
            and not stems & said
            and len(f"{subject}: {language.join([*chosen, name])}") <= limit
        ):
            chosen.append(name)
            said |= stems
    return f"{subject}: {language.join(chosen)}" if chosen else cut(subject, limit)


def calendar(themes: Sequence[Theme], content_types: Sequence[str]) -> list[dict[str, str | int]]:
    """Spread the pieces over days, day 0 being publication: the post first, then a theme every other day."""
    pieces: list[dict[str, str | int]] = [{"day": 0, "piece": "blog_post", "theme": ""}]
    if "social_media" in content_types:
        pieces.append({"day": 0, "piece": "social_announcement", "theme": ""})
        pieces += [
            {"day": 2 * number, "piece": "social_theme", "theme": theme.heading}
            for number, theme in enumerate(themes, start=1)
        ]
    return pieces
