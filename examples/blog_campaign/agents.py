"""The agents of the blog campaign: what each reads and gives, and which module does its work.

Types, dependencies and outputs are those of the built-in marketing catalog; outputs are added for what one agent here
tells another. None of them calls a language model: each takes a second at most, gives the same again for the same
input, so that a second attempt is pointless, and costs nothing.
"""

import hashlib
from typing import Any

from planner_graph import agent

from . import pictures, publishing, social, strategy, writing
from . import seo as search
from .article import Article, markdown
from .editing import Editor, improvements
from .evidence import Gatherer, Insight
from .language import Language, cut
from .material import gather
from .passages import Passage
from .research import KeyPhrase
from .strategy import Theme

Inputs = dict[str, Any]
Outputs = dict[str, Any]

OWN_WORK: dict[str, Any] = {
    "max_retries": 0,
    "timeout_seconds": 60,
    "resources": {},
    "cost_estimate_usd": 0,
}
ANGLE_LIMIT = 200


@agent(
    type="planner",
    inputs=[],
    outputs=["content_strategy", "key_themes", "content_calendar"],
    parallel_safe=False,
    estimate_seconds=1,
    **OWN_WORK,
)
def planner(inputs: Inputs) -> Outputs:
    """Derives subject, angle and themes from brief and sources, and says what to publish when.

    Configuration: ``language`` (ISO 639-1 code), where it should not be told from the text.
    """
    campaign = inputs["campaign"]
    material = gather(campaign, inputs["configuration"].get("language"))
    strategist = material.strategist
    themes = strategist.themes()
    aim = strategy.aim(material.brief) or cut(material.passages[0].text, ANGLE_LIMIT)
    return {
        "content_strategy": {
            "subject": strategist.subject(),
            "working_title": strategist.title(themes),
            "angle": aim,
            "language": material.language.code,
            "sources": [
                {"file": document.name, "lines": document.lines, "sha256": document.sha256}
                for document in material.corpus.documents
            ],
            "skipped": [{"file": file, "reason": reason} for file, reason in material.corpus.skipped],
        },
        "key_themes": [theme.model_dump(mode="json") for theme in themes],
        "content_calendar": strategy.calendar(themes, campaign.get("content_types", ())),
    }


@agent(
    type="researcher",
    dependencies=["planner"],
    inputs=["content_strategy", "key_themes"],
    outputs=["market_trends", "competitor_analysis", "industry_insights", "lead_passages", "key_phrases"],
    estimate_seconds=0.5,
    **OWN_WORK,
)
def researcher(inputs: Inputs) -> Outputs:
    """Extracts the key phrases of the sources and, for each theme, the most telling passages with file and lines."""
    plan = inputs["content_strategy"]
    material = gather(inputs["campaign"], plan["language"])
    themes = [Theme.model_validate(theme) for theme in inputs["key_themes"]]
    gatherer = Gatherer(
        language=material.language,
        passages=material.passages,
        phrases=material.phrases,
        ranking=material.ranking,
    )
    leads = gatherer.leads(plan["subject"], material.brief, alone=not themes)
    insights = gatherer.insights(themes, material.brief, leads)
    return {
        "market_trends": gatherer.trends(themes),
        "competitor_analysis": gatherer.comparisons(),
        "industry_insights": [insight.model_dump(mode="json") for insight in insights],
        "lead_passages": [passage.model_dump(mode="json") for passage in leads],
        "key_phrases": [phrase.model_dump(mode="json") for phrase in material.phrases],
    }


@agent(
    type="writer",
    dependencies=["planner", "researcher"],
    inputs=["content_strategy", "industry_insights", "lead_passages"],
    outputs=["blog_content", "content_pieces", "draft_article"],
    estimate_seconds=0.1,
    **OWN_WORK,
)
def writer(inputs: Inputs) -> Outputs:
    """Composes a post from the passages: an opening, a section for each theme, a footnote for each passage."""
    plan = inputs["content_strategy"]
    leads = [Passage.model_validate(passage) for passage in inputs["lead_passages"]]
    insights = [Insight.model_validate(insight) for insight in inputs["industry_insights"]]
    article = writing.compose(plan["working_title"], plan["language"], leads, insights)
    return {
        "blog_content": markdown(article),
        "content_pieces": writing.pieces(article),
        "draft_article": article.model_dump(mode="json"),
    }


@agent(
    type="editor",
    dependencies=["writer"],
    inputs=["draft_article"],
    outputs=["edited_content", "quality_improvements", "edited_article"],
    parallel_safe=False,
    estimate_seconds=0.2,
    **OWN_WORK,
)
def editor(inputs: Inputs) -> Outputs:
    """Makes the post easier to read and reports what was changed, with readability before and after."""
    draft = Article.model_validate(inputs["draft_article"])
    language = Language(draft.language)
    work = Editor(language)
    article = work.edit(draft)
    return {
        "edited_content": markdown(article),
        "quality_improvements": improvements(draft, article, work.changes, language),
        "edited_article": article.model_dump(mode="json"),
    }


@agent(
    type="seo",
    dependencies=["writer", "editor"],
    inputs=["edited_article", "key_phrases"],
    outputs=["optimized_content", "seo_metadata", "optimized_article", "seo.json"],
    estimate_seconds=0.1,
    **OWN_WORK,
)
def seo(inputs: Inputs) -> Outputs:
    """Makes title, description, slug, keywords and structured data, and checks them against the usual limits.

    Configuration: ``site_url``, the address under which posts are published.
    """
    article = Article.model_validate(inputs["edited_article"])
    phrases = [KeyPhrase.model_validate(phrase) for phrase in inputs["key_phrases"]]
    metadata = search.metadata(article, phrases, Language(article.language), inputs["configuration"])
    optimized = article.model_copy(update={"title": metadata["title"]})
    return {
        "optimized_content": publishing.post_markdown(optimized, metadata, []),
        "seo_metadata": metadata,
        "optimized_article": optimized.model_dump(mode="json"),
        "seo.json": metadata,
    }


@agent(
    type="image",
    dependencies=["planner"],
    inputs=["content_strategy", "key_themes"],
    outputs=["image_prompts"],
    estimate_seconds=0.1,
    **OWN_WORK,
)
def art_direction(inputs: Inputs) -> Outputs:
    """Says in words what a header would show, for those who have an image model."""
    themes = [Theme.model_validate(theme) for theme in inputs["key_themes"]]
    return {"image_prompts": [pictures.prompt(inputs["content_strategy"]["subject"], themes)]}


@agent(
    type="image",
    dependencies=["art_direction", "researcher"],
    inputs=["content_strategy", "key_themes", "key_phrases", "image_prompts"],
    outputs=["generated_images", "header.png", "chart.png"],
    estimate_seconds=0.5,
    **OWN_WORK,
)
def image(inputs: Inputs) -> Outputs:
    """Draws a header from title and themes, and a chart of the key phrases; both as PNG."""
    plan = inputs["content_strategy"]
    themes = [Theme.model_validate(theme) for theme in inputs["key_themes"]]
    phrases = [KeyPhrase.model_validate(phrase) for phrase in inputs["key_phrases"]]
    words = Language(plan["language"]).lexicon
    bars = ", ".join(f"{item.phrase} {item.mentions}" for item in pictures.charted(phrases))
    drawn = (
        ("header.png", f"{words.header_alt}: {plan['working_title']}", pictures.header(plan["working_title"], themes)),
        ("chart.png", f"{words.chart_title}: {bars}", pictures.chart(phrases, words.chart_title, words.chart_axis)),
    )
    return {
        "generated_images": [
            {"name": name, "alt": alt, **pictures.size(png), "sha256": hashlib.sha256(png).hexdigest()}
            for name, alt, png in drawn
            if bars or name != "chart.png"
        ],
        **{name: pictures.data_uri(png) for name, _, png in drawn},
    }


@agent(
    type="social_media",
    dependencies=["editor", "seo"],
    inputs=["optimized_article", "seo_metadata", {"name": "content_calendar", "required": False}],
    outputs=["social_posts", "platform_content", "social.json"],
    estimate_seconds=0.1,
    **OWN_WORK,
)
def social_media(inputs: Inputs) -> Outputs:
    """Writes posts for X, Bluesky, Mastodon, Threads and LinkedIn, each within its network's limit.

    Configuration: ``url``, the address of the post, where it is not made of ``site_url`` and slug.
    """
    article = Article.model_validate(inputs["optimized_article"])
    metadata = inputs["seo_metadata"]
    url = inputs["configuration"].get("url") or metadata["url"] or ""
    posts = social.posts(article, metadata["keywords"], url, inputs.get("content_calendar", []))
    by_platform = {
        platform.name: [post for post in posts if post["platform"] == platform.name] for platform in social.PLATFORMS
    }
    return {
        "social_posts": posts,
        "platform_content": by_platform,
        "social.json": {"url": url or None, "posts": posts},
    }


@agent(
    type="publisher",
    capabilities=["publishing"],
    dependencies={"hard": ["seo"], "soft": ["image"]},
    inputs=[
        "optimized_article",
        "seo_metadata",
        {"name": "generated_images", "required": False},
        {"name": "header.png", "required": False},
        {"name": "chart.png", "required": False},
    ],
    outputs=["post.md", "post.html"],
    estimate_seconds=0.1,
    **OWN_WORK,
)
def publisher(inputs: Inputs) -> Outputs:
    """Puts text, search engine data and pictures together: a Markdown file and a web page."""
    article = Article.model_validate(inputs["optimized_article"])
    metadata, drawn = inputs["seo_metadata"], inputs.get("generated_images", [])
    files = {picture["name"]: inputs[picture["name"]] for picture in drawn if picture["name"] in inputs}
    return {
        "post.md": publishing.post_markdown(article, metadata, drawn),
        "post.html": publishing.post_html(article, metadata, drawn, files, Language(article.language)),
    }


agents = [planner, researcher, writer, editor, seo, art_direction, image, social_media, publisher]
