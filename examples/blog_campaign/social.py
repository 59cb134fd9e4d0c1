"""Writes posts for social networks, each within its network's limit, counted as the network counts.

X weighs characters (two for most scripts and for emoji, 23 for any address); Bluesky counts what readers see as one
character; Mastodon counts every address as 23; LinkedIn and Threads count characters.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import regex  # type: ignore[import-untyped]

from .article import Article, Section
from .language import cut

SHORTENED_ADDRESS = 23
MOST_TAGS = 3
LONGEST_TAG = 30
LONG_LIMIT = 1500
"""From this limit on a post names all themes instead of one."""

_ADDRESS = re.compile(r"https?://\S+")
_GRAPHEME = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}")
_LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
"""Ranges of code points that X counts as one character; all others count as two."""


def count_characters(text: str) -> int:
    """Count code points."""
    return len(text)


def count_graphemes(text: str) -> int:
    """Count what readers see as one character."""
    return len(_GRAPHEME.findall(text))


def count_with_short_addresses(text: str) -> int:
    """Count as Mastodon does: an address is 23 characters long, whatever it is."""
    return count_graphemes(_ADDRESS.sub("x" * SHORTENED_ADDRESS, text))


def count_weighted(text: str) -> int:
    """Count as X does: an address 23, an emoji 2, letters of most scripts outside of Europe 2, all else 1."""
    plain = _ADDRESS.sub("x" * SHORTENED_ADDRESS, unicodedata.normalize("NFC", text))
    total = 0
    for grapheme in _GRAPHEME.findall(plain):
        if _EMOJI.search(grapheme):
            total += 2
        else:
            total += sum(1 if any(low <= ord(c) <= high for low, high in _LIGHT) else 2 for c in grapheme)
    return total


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A social network: its limit, how it counts, and how many hashtags are usual."""

    name: str
    limit: int
    count: Callable[[str], int]
    tags: int


PLATFORMS = (
    Platform(name="x", limit=280, count=count_weighted, tags=2),
    Platform(name="bluesky", limit=300, count=count_graphemes, tags=2),
    Platform(name="mastodon", limit=500, count=count_with_short_addresses, tags=3),
    Platform(name="threads", limit=500, count=count_characters, tags=1),
    Platform(name="linkedin", limit=3000, count=count_characters, tags=3),
)


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Writes the posts about one article; ``url`` may be empty."""

    article: Article
    keywords: Sequence[str]
    url: str

    def announcement(self, platform: Platform) -> str:
        """Announce the article: its opening; where there is room, its themes too."""
        lead = [_plain(sentence) for sentence in self.article.opening]
        title = _plain(self.article.title)
        if platform.limit < LONG_LIMIT:
            return self._fitted(platform, title, lead)
        points = [f"• {section.heading}: {' '.join(_first(section))}" for section in self.article.sections]
        return self._fitted(platform, title, ["\n\n".join(filter(None, [" ".join(lead), "\n".join(points)]))])

    def about(self, section: Section, platform: Platform) -> str:
        """Write about one theme: the passage that its section begins with."""
        subject, colon, _ = self.article.title.partition(": ")
        return self._fitted(platform, f"{subject}: {section.theme}" if colon else section.heading, _first(section))

    def _fitted(self, platform: Platform, head: str, sentences: Sequence[str]) -> str:
        """Put together head, sentences, address and hashtags; hashtags but one go first, then sentences."""
        for end in range(len(sentences), 0, -1):
            for count in range(platform.tags, 0, -1):
                whole = _assembled(head, " ".join(sentences[:end]), self._tail(count))
                if platform.count(whole) <= platform.limit:
                    return whole
        body = sentences[0] if sentences else ""
        room = platform.limit - platform.count(_assembled(head, "…", self._tail(1)))
        return self._cut(platform, head, body, self._tail(1 if room >= platform.limit // 3 else 0))

    @staticmethod
    def _cut(platform: Platform, head: str, body: str, tail: str) -> str:
        """Cut body at the end of a word where it just fits; where even that fails, leave the tail and cut the head."""
        for shortened, fixed in ((body, lambda text: _assembled(head, text, tail)), (head, lambda text: text)):
            low, high = 0, len(shortened)
            while low < high:  # the longest cut that fits
                middle = (low + high + 1) // 2
                if platform.count(fixed(cut(shortened, middle))) <= platform.limit:
                    low = middle
                else:
                    high = middle - 1
            if low > 1:
                return fixed(cut(shortened, low))
        return ""

    def _tail(self, tags: int) -> str:
        return "\n".join(part for part in (self.url, " ".join(self._tags()[:tags])) if part)

    def _tags(self) -> list[str]:
        """Give hashtags: the subject, then names and turns of phrase, then common words."""
        subject, colon, _ = self.article.title.partition(": ")
        telling = sorted(self.keywords, key=lambda keyword: keyword.islower() and " " not in keyword)
        found: dict[str, str] = {}
        for phrase in [subject, *telling] if colon else telling:
            tag = hashtag(phrase)
            found.setdefault(tag.casefold(), tag)
        return [tag for tag in found.values() if tag]


def posts(
    article: Article, keywords: Sequence[str], url: str, calendar: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Give all posts of the calendar: an announcement for each network, then theme after theme for the short ones."""
    writer = Writer(article=article, keywords=keywords, url=url)
    sections = {section.heading: section for section in article.sections}
    days = {entry["theme"]: entry["day"] for entry in calendar if entry["piece"] == "social_theme"}
    found = [_post(platform, 0, "", writer.announcement(platform)) for platform in PLATFORMS]
    for heading, section in sections.items():
        if heading in days:
            found += [
                _post(platform, days[heading], heading, writer.about(section, platform))
                for platform in PLATFORMS
                if platform.limit < LONG_LIMIT
            ]
    return found


def hashtag(phrase: str) -> str:
    """Make a hashtag: ``"critical path"`` becomes ``"#CriticalPath"``; nothing where no letter is left or too many."""
    parts = [part for part in re.split(r"[\W_]+", phrase) if part]
    tag = "".join(part if any(c.isupper() for c in part) else part[:1].upper() + part[1:] for part in parts)
    fits = len(tag) <= LONGEST_TAG and any(character.isalpha() for character in tag) and not tag[:1].isdigit()
    return f"#{tag}" if tag and fits else ""


def _post(platform: Platform, day: int, theme: str, text: str) -> dict[str, Any]:
    length = platform.count(text)
    return {
        "platform": platform.name,
        "day": day,
        "theme": theme,
        "text": text,
        "length": length,
        "limit": platform.limit,
        "ok": length <= platform.limit,
    }


def _assembled(head: str, body: str, tail: str) -> str:
    return "\n\n".join(part for part in (head, body, tail) if part)


def _plain(text: str) -> str:
    return text.replace("`", "")


def _first(section: Section) -> list[str]:
    """Give the sentences of the passage that a section begins with."""
    paragraph = section.paragraphs[0]
    first, *others = paragraph.spans[0].sentences
    return [_plain(sentence) for sentence in [f"{paragraph.label} {first}" if paragraph.label else first, *others]]
