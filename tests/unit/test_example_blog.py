"""The blog campaign as a whole: what comes out of real sources."""

import base64
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from examples.blog_campaign.agents import agents
from planner_graph import AgentFactory, Campaign, Catalog, MasterPlanner, compile_plan
from tests.blog_sources import HARBOUR, LIBRARY, campaign, run, written

EXAMPLE = Path(__file__).parents[2] / "examples" / "blog_campaign"
DELIVERABLES = ("post.md", "post.html", "seo.json", "header.png", "chart.png", "social.json")


@pytest.fixture
def harbour(tmp_path):
    return written(tmp_path, "harbour.md", HARBOUR)


class _Page(HTMLParser):
    """Notes tags, ids, links and pictures of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.targets, self.pictures = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.targets += [found["href"]] if tag == "a" else []
        self.pictures += [found] if tag == "img" else []


def citations(post):
    """Give file, first and last line of each footnote."""
    return [
        (name, int(first), int(last or first))
        for name, first, last in re.findall(r"^\[\^\d+\]: `(.+?):(\d+)(?:-(\d+))?`$", post, re.MULTILINE)
    ]


def plain(text):
    return " ".join(re.sub(r"[*`\\]", "", text).split())


def test_every_passage_of_the_post_stands_on_the_lines_that_its_footnote_cites(harbour, tmp_path):
    post = run(campaign(harbour), without=("editor", "seo", "social_media", "publisher"))["blog_content"]
    notes = citations(post)
    assert len(notes) >= 5
    quoted = re.findall(r"(?:^|\]|\*\* |- )\s*([^\[\]#*\n][^\[\]\n]*?)\[\^(\d+)\]", post, re.MULTILINE)
    assert len(quoted) >= len(notes)
    for text, number in quoted:
        file, first, last = notes[int(number) - 1]
        lines = (tmp_path / file).read_text(encoding="utf-8").splitlines()[first - 1 : last]
        assert plain(text) in plain(" ".join(lines)), text


def test_sections_follow_the_points_of_the_brief(harbour):
    brief = "Show the harbour to visitors: how the market works, which boats there are"
    post = run(campaign(harbour, brief=brief))["post.md"]
    assert re.findall(r"^## (.+)$", post, re.MULTILINE) == ["Market", "Boats"]


def test_the_post_changes_with_its_sources(harbour, tmp_path):
    first = run(campaign(harbour))
    library = run(campaign(written(tmp_path, "library.md", LIBRARY)))
    assert "harbour" in first["post.md"]
    assert "harbour" not in library["post.md"]
    for name in DELIVERABLES:
        assert first[name] != library[name], name


def test_one_changed_sentence_changes_the_post(harbour):
    before = run(campaign(harbour))["post.md"]
    harbour.write_text(HARBOUR.replace("at six in the morning", "at noon"), encoding="utf-8")
    after = run(campaign(harbour))["post.md"]
    assert "opens at six" in before
    assert "opens at noon" in after
    assert "opens at six" not in after


def test_what_the_sources_call_planned_is_not_published(harbour):
    outputs = json.dumps(run(campaign(harbour, brief="Show the harbour: the lighthouse, the boats")))
    assert "calm weather" in outputs
    assert "forty miles" not in outputs
    assert "keeper counts" not in outputs


def test_nothing_is_said_twice(harbour, tmp_path):
    copy = written(tmp_path, "copy.md", HARBOUR)
    post = run(campaign(harbour, copy))["post.md"]
    sentences = [text.strip() for text in re.split(r"(?<=[.!?])\s|\[\^\d+\]", post.partition("---\n\n")[2])]
    longer = [text for text in sentences if len(text) > 30 and "png" not in text]
    assert len(longer) == len(set(longer))


def test_the_same_sources_give_the_same_bytes_under_any_hash_seed(harbour):
    script = (
        "import hashlib, json, sys; from tests.blog_sources import campaign, run; "
        "print(hashlib.sha256(json.dumps(run(campaign(sys.argv[1]))).encode()).hexdigest())"
    )
    root = str(EXAMPLE.parents[1])
    digests = {
        subprocess.run(
            [sys.executable, "-c", script, str(harbour)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_all_outputs_are_json(harbour):
    outputs = run(campaign(harbour))
    assert json.loads(json.dumps(outputs)) == outputs


def test_the_page_is_whole(harbour):
    page = _Page(run(campaign(harbour))["post.html"])
    assert page.tags.count("h1") == page.tags.count("main") == page.tags.count("html") == 1
    assert len(page.ids) == len(set(page.ids))
    assert all(target[1:] in page.ids for target in page.targets if target.startswith("#"))
    assert [picture["src"][:22] for picture in page.pictures] == ["data:image/png;base64,"] * 2
    assert all(picture["alt"] for picture in page.pictures)


def test_markup_in_sources_stays_text_in_the_page(tmp_path):
    text = HARBOUR.replace(
        "the last boat is back", "`<script>alert(1)</script>` &lt;img src=x onerror=alert(2)&gt; is back"
    )
    text = text.replace("# The harbour", "# The &lt;/script&gt; harbour")
    text = text.replace("## Market", "## Market &lt;script&gt;\"'")
    outputs = run(campaign(written(tmp_path, "evil.md", text)))
    page = _Page(outputs["post.html"])
    assert "alert" in outputs["post.html"]
    assert page.tags.count("script") == 1  # the structured data
    assert len(page.pictures) == 2


def test_pictures_are_drawn_in_the_announced_size(harbour):
    outputs = run(campaign(harbour))
    for described in outputs["generated_images"]:
        raw = base64.b64decode(outputs[described["name"]].removeprefix("data:image/png;base64,"))
        with Image.open(io.BytesIO(raw)) as picture:
            assert (picture.format, picture.size) == ("PNG", (described["width"], described["height"]))
            assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 50


def test_a_post_without_pictures_names_none(harbour):
    outputs = run(campaign(harbour), without=("image",))
    assert "png" not in outputs["post.md"]
    assert not _Page(outputs["post.html"]).pictures


def test_editing_reports_figures_before_and_after(harbour):
    harbour.write_text(
        HARBOUR.replace(
            "Prices depend on",
            "Many traders from the whole region come in order to buy fish at the market every day; "
            "the the oldest traders of them all also sell bread, cheese and apples to the people. Prices depend on",
        ),
        encoding="utf-8",
    )
    report = run(campaign(harbour))["quality_improvements"]
    assert report["after"]["longest_sentence_words"] < report["before"]["longest_sentence_words"]
    assert report["after"]["reading_ease"] > report["before"]["reading_ease"]
    assert report["counts"]["filler removed"] == 1
    assert report["counts"]["doubled word removed"] == 1
    assert report["counts"]["long sentence split"] == 1


def test_social_posts_keep_their_limits_and_the_calendar(harbour):
    outputs = run(campaign(harbour), seo={"site_url": "https://example.org/blog/"})
    posts = outputs["social.json"]["posts"]
    assert {post["platform"] for post in posts} == {"x", "bluesky", "mastodon", "threads", "linkedin"}
    assert all(0 < post["length"] <= post["limit"] and post["ok"] for post in posts)
    assert all("https://example.org/blog/the-harbour" in post["text"] for post in posts)
    themes = {entry["theme"]: entry["day"] for entry in outputs["content_calendar"] if entry["piece"] == "social_theme"}
    assert {post["theme"]: post["day"] for post in posts if post["theme"]} == themes


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Der Hafen öffnet morgens um sechs Uhr. Die Fischer fahren bei jeder Flut hinaus.", "Quellen"),
        ("ru", "Порт открывается в шесть часов утра. Рыбаки выходят в море при каждом приливе.", "Порт"),
        ("zh", "港口早上六点开放。渔民每次涨潮时都会出海。", "港口早上六点开放。渔民"),
        ("ar", "يفتح الميناء في السادسة صباحا. يخرج الصيادون إلى البحر مع كل مد.", 'dir="rtl"'),
        ("ja", "港は朝六時に開きます。漁師は満潮のたびに海へ出ます。", "港は朝六時に開きます。漁師"),
    ],
)
def test_short_texts_in_other_languages_give_a_small_post(tmp_path, language, text, expected):
    outputs = run(campaign(written(tmp_path, "text.txt", text)))
    assert outputs["content_strategy"]["language"] == language
    assert expected in outputs["post.html"]
    assert citations(outputs["post.md"]) == [("text.txt", 1, 1)]


def test_two_sentences_give_a_post_of_two_sentences(tmp_path):
    text = "The harbour opens at six. Boats leave when the tide allows it."
    outputs = run(campaign(written(tmp_path, "a.txt", text)))
    assert text in outputs["post.md"]
    assert "##" not in outputs["post.md"]


def test_the_language_can_be_given(harbour):
    outputs = run(campaign(harbour), planner={"language": "fr"})
    assert 'lang="fr"' in outputs["post.html"]


def test_deliverables_select_and_order_the_agents_of_the_example():
    read = Campaign.load(EXAMPLE / "campaign.yaml")
    assert set(read.deliverables) == set(DELIVERABLES)
    plan = MasterPlanner(catalog=Catalog.builtin().extended(*agents)).create_execution_plan(read, strategy="sequential")
    assert [step.agent for step in plan.steps] == [body.__name__ for body in agents]
    assert all(step.type == step.agent for step in plan.steps if step.agent not in {"publisher", "art_direction"})


def test_bodies_load_by_path_and_run_in_the_compiled_graph(harbour):
    factory = AgentFactory.load(f"{EXAMPLE / 'agents.py'}:agents")
    wanted = Campaign(type="blog_creation", deliverables=DELIVERABLES, sources=(str(harbour),))
    plan = MasterPlanner(catalog=Catalog.builtin().extended(*factory.declared)).create_execution_plan(
        wanted, strategy="parallel"
    )
    result = compile_plan(plan, factory).invoke({"campaign": wanted.model_dump(mode="json")})["result"]
    assert result["status"] == "completed"
    assert result["deliverables"]["post.md"] == run(campaign(harbour, content_types=[]))["post.md"]


def test_the_example_runs_on_the_documents_of_this_project():
    read = Campaign.load(EXAMPLE / "campaign.yaml").model_dump(mode="json")
    outputs = run(read)
    assert outputs["seo_metadata"]["passed"], outputs["seo_metadata"]["checks"]
    assert len(outputs["optimized_article"]["sections"]) >= 3
    assert {name.split("/")[0] for name, _, _ in citations(outputs["post.md"])} >= {"README.md", "docs"}
