"""Puts the finished post together: a Markdown file with front matter, and a web page that needs no other file."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol as Renderer
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.footnote import footnote_plugin
from slugify import slugify

from .article import Article, body_markdown, escaped, notes_markdown
from .language import Language
from .lexicon import Lexicon

STYLE = Path(__file__).with_name("page.css")
CONTENTS_FROM = 3
"""A page with fewer sections than this needs no table of contents."""
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi", "ps", "ug"})


def post_markdown(article: Article, metadata: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]) -> str:
    """Give ``post.md``: front matter as static site generators read it, the text, and footnotes."""
    front = {
        "title": metadata["title"],
        "description": metadata["description"],
        "slug": metadata["slug"],
        "lang": article.language,
        "keywords": list(metadata["keywords"]),
    }
    images = {picture["name"]: f"![{escaped(picture['alt'])}]({picture['name']})" for picture in pictures}
    parts = [
        f"---\n{yaml.safe_dump(front, allow_unicode=True, sort_keys=False, width=1000)}---",
        f"# {escaped(article.title)}",
        images.get("header.png", ""),
        body_markdown(article),
        images.get("chart.png", ""),
        notes_markdown(article),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def post_html(
    article: Article,
    metadata: Mapping[str, Any],
    pictures: Sequence[Mapping[str, Any]],
    files: Mapping[str, str],
    language: Language,
) -> str:
    """Give ``post.html``: one accessible page with its style and pictures in it; ``files`` are data URIs by name."""
    words = language.lexicon
    shown = {picture["name"]: picture for picture in pictures if picture["name"] in files}
    header, chart = (_figure(shown.get(name), files) for name in ("header.png", "chart.png"))
    body, notes = _rendered(article, words)
    opening, separator, sections = body.partition("<h2")
    direction = ' dir="rtl"' if article.language in RIGHT_TO_LEFT else ""
    return f"""<!doctype html>
<html lang="{escape(article.language)}"{direction}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{_head(metadata)}
<style>
{STYLE.read_text(encoding="utf-8").strip()}
</style>
</head>
<body>
<a class="skip" href="#content">{escape(words.skip_link)}</a>
<main id="content">
<article>
<header>
{header}<h1>{escape(article.title)}</h1>
</header>
<div class="opening">
{opening.strip()}
</div>
{_contents(article, words)}{separator}{sections}{chart}{notes}</article>
</main>
</body>
</html>
"""


def anchor(heading: str, number: int) -> str:
    """Give the fragment that links to the section with this heading, the ``number``-th of the post."""
    return f"{number}-{slugify(heading, max_length=60) or 'section'}"


def _head(metadata: Mapping[str, Any]) -> str:
    """Write what search engines and social networks read."""
    title, description = escape(metadata["title"]), escape(metadata["description"])
    lines = [
        f"<title>{title}</title>",
        f'<meta name="description" content="{description}">',
        '<meta property="og:type" content="article">',
        f'<meta property="og:title" content="{title}">',
        f'<meta property="og:description" content="{description}">',
        '<meta name="twitter:card" content="summary_large_image">',
    ]
    if metadata.get("url"):
        url = escape(metadata["url"])
        image = escape(f"{metadata['url'].rpartition('/')[0]}/header.png")
        lines += [
            f'<link rel="canonical" href="{url}">',
            f'<meta property="og:url" content="{url}">',
            f'<meta property="og:image" content="{image}">',
        ]
    linked = json.dumps(metadata["json_ld"], ensure_ascii=False).replace("<", "\\u003c")
    return "\n".join([*lines, f'<script type="application/ld+json">{linked}</script>'])


def _figure(picture: Mapping[str, Any] | None, files: Mapping[str, str]) -> str:
    if picture is None:
        return ""
    size = f'width="{picture["width"]}" height="{picture["height"]}"'
    return f'<figure><img src="{escape(files[picture["name"]])}" alt="{escape(picture["alt"])}" {size}></figure>\n'


def _contents(article: Article, words: Lexicon) -> str:
    if len(article.sections) < CONTENTS_FROM:
        return ""
    items = "\n".join(
        f'<li><a href="#{anchor(section.heading, number)}">{escape(section.heading)}</a></li>'
        for number, section in enumerate(article.sections, start=1)
    )
    title = escape(words.contents)
    return f'<nav aria-labelledby="contents"><h2 id="contents">{title}</h2>\n<ol>\n{items}\n</ol></nav>\n'


def _rendered(article: Article, words: Lexicon) -> tuple[str, str]:
    """Give the text and the footnotes as HTML; markup in the sources is text, never markup."""
    parser = MarkdownIt("commonmark", {"html": False}).use(footnote_plugin, inline=False)
    parser.add_render_rule("footnote_block_open", _notes_open)
    parser.add_render_rule("footnote_anchor", _way_back)
    parser.add_render_rule("footnote_caption", _note_number)
    tokens = parser.parse(f"{body_markdown(article)}\n\n{notes_markdown(article)}\n", {})
    headings = [token for token in tokens if token.type == "heading_open"]
    for number, (token, section) in enumerate(zip(headings, article.sections, strict=True), start=1):
        token.attrSet("id", anchor(section.heading, number))
    html: str = parser.renderer.render(tokens, parser.options, {"words": words})
    text, separator, notes = html.partition('<section class="footnotes"')
    return text, separator + notes


def _notes_open(_: Renderer, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    del tokens, index, options
    title = escape(env["words"].sources)
    return f'<section class="footnotes" aria-labelledby="sources">\n<h2 id="sources">{title}</h2>\n<ol>\n'


def _note_number(_: Renderer, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    del options, env
    return str(tokens[index].meta["id"] + 1)


def _way_back(_: Renderer, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    del options
    number, repeat = tokens[index].meta["id"] + 1, tokens[index].meta["subId"]
    target = f"fnref{number}:{repeat}" if repeat else f"fnref{number}"
    label = escape(f"{env['words'].back} ({number})")
    return f' <a href="#{target}" class="footnote-backref" aria-label="{label}">\u21a9\ufe0e</a>'
