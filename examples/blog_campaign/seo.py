"""Makes a post easy to find: title, description, slug, keywords, structured data, and checks of their usual limits.

Nothing is written that the post does not say: the description is its opening, the keywords are key phrases it uses.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from slugify import slugify

from .article import Article
from .language import Language, cut, joined, words
from .research import KeyPhrase

TITLE_LIMITS = (15, 60)
DESCRIPTION_LIMITS = (70, 160)
SLUG_LIMITS = (3, 60)
KEYWORD_LIMITS = (3, 10)
WORD_LIMITS = (300, 2500)
HEADING_LIMITS = (2, 12)
DENSITY_LIMITS = (0.3, 4.0)
"""Percent of all words that the main keyword takes up."""

Check = dict[str, Any]


def metadata(
    article: Article, phrases: Sequence[KeyPhrase], language: Language, configuration: dict[str, Any]
) -> dict[str, Any]:
    """Give the search engine data of a post, with the result of each check.

    ``configuration`` may hold ``site_url``, the address under which posts are published; without it nothing states an
    address.
    """
    keywords = _keywords(article, phrases, language)
    title = cut(article.title, TITLE_LIMITS[1])
    slug = _slug(title)
    site = str(configuration.get("site_url", "")).rstrip("/")
    data: dict[str, Any] = {
        "title": title,
        "description": _description(article),
        "slug": slug,
        "url": f"{site}/{slug}" if site else None,
        "language": article.language,
        "keywords": [keyword["phrase"] for keyword in keywords],
        "keyword_use": keywords,
        "words": len(words(article.prose)),
    }
    data["json_ld"] = _json_ld(data)
    data["checks"] = list(_checks(article, data, language))
    data["passed"] = all(check["ok"] for check in data["checks"])
    return data


def _description(article: Article) -> str:
    """Give whole sentences from the beginning of the post, or the first one cut at the end of a word."""
    low, high = DESCRIPTION_LIMITS
    text = ""
    for sentence in (re.sub("`", "", sentence) for sentence in article.opening):
        longer = joined([text, sentence]).strip()
        if len(longer) > high:
            return text if len(text) >= low else cut(longer, high)
        text = longer
        if len(text) >= low:
            return text
    return text


def _slug(title: str) -> str:
    return slugify(title.replace("_", "-"), max_length=SLUG_LIMITS[1], word_boundary=True, save_order=True) or "post"


def _keywords(article: Article, phrases: Sequence[KeyPhrase], language: Language) -> list[dict[str, Any]]:
    """Choose the key phrases that the post uses, those in its title first; in a longer post, those used repeatedly."""
    headings = " ".join(section.heading for section in article.sections)
    title = set(language.stems(article.title))
    text = f" {' '.join(language.stems(f'{article.title} {headings} {article.prose}'))} "
    total = max(len(words(article.prose)), 1)
    fewest = 1 if total < WORD_LIMITS[0] else 2
    found: list[tuple[bool, dict[str, Any]]] = []
    for item in phrases:
        wanted = language.stems(item.phrase)
        count = text.count(f" {' '.join(wanted)} ")
        if count >= fewest:
            density = round(100 * count * len(wanted) / total, 2)
            use = {"phrase": item.phrase, "count": count, "density_percent": density}
            found.append((not set(wanted) <= title, use))
    return [use for _, use in sorted(found, key=lambda pair: pair[0])][: KEYWORD_LIMITS[1]]


def _json_ld(data: dict[str, Any]) -> dict[str, Any]:
    """Describe the post in the words of schema.org."""
    linked = {
        "@context": "https://schema.org",
        "@type": "BlogPosting",
        "headline": data["title"],
        "description": data["description"],
        "inLanguage": data["language"],
        "keywords": data["keywords"],
        "wordCount": data["words"],
    }
    return linked | ({"url": data["url"], "mainEntityOfPage": data["url"]} if data["url"] else {})


def _checks(article: Article, data: dict[str, Any], language: Language) -> Iterator[Check]:
    """Hold the data against the usual limits, and look whether the main keyword stands where readers look first."""
    yield _within("title length", len(data["title"]), TITLE_LIMITS, "characters")
    yield _within("description length", len(data["description"]), DESCRIPTION_LIMITS, "characters")
    yield _within("slug length", len(data["slug"]), SLUG_LIMITS, "characters")
    yield _within("keywords", len(data["keywords"]), KEYWORD_LIMITS, "phrases")
    yield _within("post length", data["words"], WORD_LIMITS, "words")
    yield _within("section headings", len(article.sections), HEADING_LIMITS, "headings")
    headings = [section.heading.casefold() for section in article.sections]
    yield {"check": "headings differ", "value": len(set(headings)), "ok": len(set(headings)) == len(headings)}
    if not data["keywords"]:
        return
    main = data["keywords"][0]
    yield _within("density of the main keyword", data["keyword_use"][0]["density_percent"], DENSITY_LIMITS, "percent")
    lead = " ".join(article.opening)
    for place, text in (("title", data["title"]), ("description", data["description"]), ("opening", lead)):
        said = set(language.stems(text))
        known = [keyword for keyword in data["keywords"] if set(language.stems(keyword)) <= said]
        yield {"check": f"a keyword in the {place}", "value": known, "main": main in known, "ok": bool(known)}


def _within(name: str, value: float, limits: tuple[float, float], unit: str) -> Check:
    low, high = limits
    return {"check": name, "value": value, "unit": unit, "limits": [low, high], "ok": low <= value <= high}
