"""What the blog campaign does to single sentences, titles and posts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from examples.blog_campaign import seo, social, strategy
from examples.blog_campaign.article import Article, Paragraph, Reference, Section, Span, escaped, markdown
from examples.blog_campaign.editing import Editor
from examples.blog_campaign.language import Language, cut, detect, joined, terms, words
from examples.blog_campaign.readability import measure
from examples.blog_campaign.research import KeyPhrase

ENGLISH = Language("en")


def article(*sentences, title="A title", heading="A heading"):
    lead = (Paragraph(kind="paragraph", spans=(Span(sentences=sentences[:1], note=1),)),)
    spans = tuple(Span(sentences=(text,), note=2) for text in sentences[1:])
    sections = (Section(heading=heading, theme="x", paragraphs=(Paragraph(kind="paragraph", spans=spans),)),)
    places = (Reference(file="a.md", first_line=1, last_line=1), Reference(file="a.md", first_line=3, last_line=4))
    return Article(language="en", title=title, lead=lead, sections=sections if spans else (), references=places)


def edited(*sentences):
    return list(Editor(ENGLISH).edit(article(*sentences)).sentences)


LONG = "the harbour of the old town opens every morning when the bell of the small church has been rung six times"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("In order to sail, raise the sails first.", ["To sail, raise the sails first."]),
        ("The code `in order to` stays as it is here.", ["The code `in order to` stays as it is here."]),
        ("The the boat leaves with the tide.", ["The the boat leaves with the tide."]),
        ("Boats leave with the the tide.", ["Boats leave with the tide."]),
        (f"T{LONG[1:]}; it closes again after dark.", [f"T{LONG[1:]}.", "It closes again after dark."]),
        (f"T{LONG[1:]}, and it closes again after dark.", [f"T{LONG[1:]}.", "It closes again after dark."]),
        (f"T{LONG[1:]}, but it closes again after dark.", [f"T{LONG[1:]}.", "But it closes again after dark."]),
        (f"T{LONG[1:]} (it closes again; after all, it is dark).", None),
        (f"Two things matter: {LONG}; it closes again after dark.", None),
        (f"T{LONG[1:]} on each of these days; a fragment follows.", None),
        ("Short sentences; they stay whole as they are.", None),
    ],
)
def test_editing_shortens_without_adding(before, after):
    assert edited(before) == (after or [before])


def test_a_repeated_sentence_is_taken_out_with_its_footnote():
    changed = Editor(ENGLISH)
    found = changed.edit(
        article("Boats leave the harbour with the tide.", "The boats leave the harbour with the tide.")
    )
    assert list(found.sentences) == ["Boats leave the harbour with the tide."]
    assert found.sections == ()
    assert [str(place) for place in found.references] == ["a.md:1"]
    assert [change["change"] for change in changed.changes] == ["repetition removed"]


def test_reading_ease_follows_flesch():
    figures = measure(["The boat leaves."], ENGLISH)
    assert (figures.words, figures.sentences, figures.longest_sentence_words) == (3, 1, 3)
    assert figures.reading_ease == pytest.approx(206.835 - 1.015 * 3 - 84.6 * 1, abs=0.05)
    assert figures.lix == 3.0
    assert measure(["Das Schiff fährt."], Language("xx")).reading_ease is None


def test_the_language_is_told_from_the_text():
    assert detect("The boat leaves the harbour with the tide.") == "en"
    assert detect("Das Boot verlässt den Hafen mit der Flut.") == "de"
    assert detect("12 34") == "en"


def test_scripts_without_spaces_are_counted_by_character_and_searched_by_pairs():
    assert words("港口opens 开放") == ["港", "口", "opens", "开", "放"]
    assert terms("港口城 Opens") == ["港口", "口城", "opens"]
    assert joined(["港口开放。", "渔民出海。"]) == "港口开放。渔民出海。"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two…"),
        ("one two, three", 10, "one two…"),
        ("abcdefghij", 5, "abcd…"),
    ],
)
def test_cutting_ends_at_a_word(text, limit, expected):
    assert cut(text, limit) == expected


def test_what_the_brief_asks_is_split_into_points():
    brief = "Show boats: how they sail, who builds them"
    assert [" ".join(point.split()) for point in strategy.questions(brief)] == ["how they sail", "who builds them"]
    assert strategy.questions("Show boats, how they sail") == [" how they sail"]
    assert strategy.questions("Boats") == ["Boats"]
    assert strategy.aim("Show boats: how they sail") == "Show boats"
    assert strategy.aim("") == ""


def test_a_title_names_as_many_themes_as_fit():
    themes = [
        strategy.Theme(name=name, heading=name, query=name, weight=1)
        for name in ("planning", "an extremely long name of a theme that fits in no title", "running")
    ]
    assert strategy.working_title("Boats", themes, ENGLISH) == "Boats: planning and running"
    assert strategy.working_title("Boats", themes, Language("xx")) == "Boats: planning, running"


def test_search_data_keep_the_limits_and_say_which_are_missed():
    text = "The harbour opens at six and closes when the last boat is back from the open sea."
    data = seo.metadata(article(text), [KeyPhrase(phrase="harbour", weight=1, mentions=1)], ENGLISH, {})
    assert data["description"] == text
    assert data["keyword_use"] == [{"phrase": "harbour", "count": 1, "density_percent": 5.88}]
    failed = [check["check"] for check in data["checks"] if not check["ok"]]
    assert failed[:4] == ["title length", "keywords", "post length", "section headings"]
    assert not data["passed"]
    assert data["url"] is None


def test_long_descriptions_and_titles_are_cut_at_a_word():
    data = seo.metadata(
        article("A boat is a boat " * 20, title="A boat and " * 10), [], ENGLISH, {"site_url": "https://e.org/"}
    )
    assert 60 >= len(data["title"]) > 40
    assert 160 >= len(data["description"]) > 140
    assert data["description"].endswith("boat…")
    assert data["url"] == f"https://e.org/{data['slug']}"
    assert data["slug"] == "a-boat-and-a-boat-and-a-boat-and-a-boat-and-a-boat-and-a"


@pytest.mark.parametrize(
    ("text", "graphemes", "weighted", "short"),
    [
        ("abc", 3, 3, 3),
        ("港口", 2, 4, 2),
        ("👩‍👩‍👧 ok", 4, 5, 4),
        ("see https://example.org/a/very/long/address/that/goes/on", 56, 27, 27),
    ],
)
def test_networks_count_each_in_its_way(text, graphemes, weighted, short):
    assert social.count_graphemes(text) == graphemes
    assert social.count_weighted(text) == weighted
    assert social.count_with_short_addresses(text) == short


def test_posts_drop_whole_sentences_before_they_cut_one():
    first, second = "The harbour opens at six.", "Boats leave with the tide " * 12 + "."
    post = social.Writer(article=article("x"), keywords=(), url="").about(
        article("x", f"{first}", second)
        .sections[0]
        .model_copy(
            update={"paragraphs": (Paragraph(kind="paragraph", spans=(Span(sentences=(first, second), note=1),)),)}
        ),
        social.PLATFORMS[0],
    )
    assert post == f"A heading\n\n{first}"


@given(
    title=st.text(min_size=1, max_size=400),
    body=st.text(min_size=1, max_size=900),
    keyword=st.text(max_size=60),
    url=st.sampled_from(["", "https://example.org/" + "long-" * 30]),
)
@settings(max_examples=60, deadline=None)
def test_no_post_is_ever_too_long(title, body, keyword, url):
    given_article = article(body, body, title=title)
    writer = social.Writer(article=given_article, keywords=[keyword, "boats"], url=url)
    for platform in social.PLATFORMS:
        assert platform.count(writer.announcement(platform)) <= platform.limit
        assert platform.count(writer.about(given_article.sections[0], platform)) <= platform.limit


def test_the_limits_are_those_of_the_networks():
    limits = {platform.name: platform.limit for platform in social.PLATFORMS}
    assert limits == {"x": 280, "bluesky": 300, "mastodon": 500, "threads": 500, "linkedin": 3000}


@pytest.mark.parametrize(
    ("phrase", "tag"), [("critical path", "#CriticalPath"), ("LangGraph", "#LangGraph"), ("42", ""), ("a" * 40, "")]
)
def test_hashtags(phrase, tag):
    assert social.hashtag(phrase) == tag


@pytest.mark.parametrize(
    "text",
    [
        *("*stars* and _lines_ in snake_case", "[link](x) <b> & &lt; #1 | ~", "a `*b*` c", r"back \* slash"),
        *("- no item", "1. no item", "2) no item", "+ no item", "# no heading", "> no quote"),
    ],
)
def test_escaped_text_reads_as_it_was(text):
    html = MarkdownIt("commonmark", {"html": False}).renderInline(escaped(text))
    parsed = MarkdownIt("commonmark", {"html": False}).parse(escaped(text))
    assert [token.type for token in parsed] == ["paragraph_open", "inline", "paragraph_close"]
    shown = "".join(
        f"`{token.content}`" if token.type == "code_inline" else token.content for token in parsed[1].children or ()
    )
    assert shown == text, html


def test_an_article_as_markdown_has_headings_and_footnotes():
    assert markdown(article("One.", "Two.")) == (
        "# A title\n\nOne.[^1]\n\n## A heading\n\nTwo.[^2]\n\n[^1]: `a.md:1`\n[^2]: `a.md:3-4`\n"
    )
