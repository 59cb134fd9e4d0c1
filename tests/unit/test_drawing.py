"""Mermaid and DOT pictures of a plan."""

import os
import re
import subprocess
import sys

import pytest

from planner_graph.planning.pictures.drawing import left_to_right, mermaid_id, plain_text, to_dot, to_mermaid
from planner_graph.planning.pictures.svg import to_svg
from tests.plans import BLOG, BLOG_SECONDS, make_plan

HOSTILE = 'odd "<b>&amp; \\ %%{init: {"theme":"forest"}}%% a --> b ; # `x`\nline 2 日本語 \x00\u202e end'
DESCRIPTION = "  accDescr: 7 agents in 5 levels, strategy parallel, expected 17 min#59; critical path#58; "


def test_mermaid_picture_of_the_blog_plan():
    plan = make_plan(
        BLOG,
        seconds=BLOG_SECONDS,
        kinds={("social_media", "editor"): "soft", ("image", "writer"): "optional"},
        campaign_id="spring",
    )
    assert to_mermaid(plan).splitlines() == [
        "flowchart LR",
        "  accTitle: Plan for campaign spring",
        DESCRIPTION + "planner, researcher, writer, editor, seo",
        '  subgraph group_0["group 0"]',
        '    a_planner["planner<br/>2 min"]:::critical',
        '    a_image["image<br/>4 min"]',
        "  end",
        '  a_researcher["researcher<br/>3 min"]:::critical',
        '  a_writer["writer<br/>5 min"]:::critical',
        '  a_editor["editor<br/>3 min"]:::critical',
        '  subgraph group_4["group 4"]',
        '    a_seo["seo<br/>2 min"]:::critical',
        '    a_social_media["social_media<br/>1 min 30 s"]',
        "  end",
        "  a_writer -.-> a_image",
        "  a_planner --> a_researcher",
        "  a_planner --> a_writer",
        "  a_researcher --> a_writer",
        "  a_writer --> a_editor",
        "  a_writer --> a_seo",
        "  a_editor --> a_seo",
        "  a_writer --> a_social_media",
        "  a_editor -.-> a_social_media",
        "  linkStyle 0 stroke-dasharray:1.5 4",
        "  linkStyle 1,3,4,6 stroke:#c2410c,stroke-width:3px",
        "  linkStyle 8 stroke-dasharray:7 4",
        "  classDef critical stroke:#c2410c,stroke-width:3px",
    ]


def test_dot_picture_shows_kinds_groups_and_the_critical_path():
    plan = make_plan(
        {"a": [], "b": ["a"], "c": ["a"]},
        seconds={"a": 45, "b": 90, "c": 30},
        kinds={("c", "a"): "soft", ("b", "c"): "optional"},
    )
    lines = to_dot(plan).splitlines()
    assert lines[0] == 'digraph "plan" {'
    assert "newrank=true" in lines[1]
    assert lines[6:] == [
        '  "a" [label="a\\n45 s", color="#c2410c", penwidth=2.5]',
        '  subgraph "cluster_1" {',
        '    graph [label="group 1", style="rounded,dashed", color="#94a3b8"]',
        '    "b" [label="b\\n1 min 30 s", color="#c2410c", penwidth=2.5]',
        '    "c" [label="c\\n30 s"]',
        "  }",
        '  "a" -> "b" [style=solid, color="#c2410c", penwidth=2.5]',
        '  "a" -> "c" [style=dashed]',
        "}",
    ]


def test_optional_edges_are_dotted_and_order_nothing_in_dot():
    plan = make_plan({"a": [], "b": ["a"]}, kinds={("b", "a"): "optional"})
    assert '  "a" -> "b" [style=dotted, constraint=false]' in to_dot(plan).splitlines()


def test_a_critical_soft_edge_keeps_both_looks_in_mermaid():
    """A second ``linkStyle`` for one edge would replace the first."""
    plan = make_plan({"a": [], "b": ["a"]}, kinds={("b", "a"): "soft"})
    styles = [line for line in to_mermaid(plan).splitlines() if "linkStyle" in line]
    assert styles == ["  linkStyle 0 stroke-dasharray:7 4,stroke:#c2410c,stroke-width:3px"]


@pytest.mark.parametrize(
    "name", ["end", "graph", "subgraph", "style", "o", "x", "default", "a--b", "a-.-b", "a.b", "a-", "class", "TB"]
)
def test_names_that_mean_something_in_mermaid_are_only_names(name):
    assert re.fullmatch(r"a_[A-Za-z0-9_]+", mermaid_id(name))
    assert f'{mermaid_id(name)}["' in to_mermaid(make_plan({name: []}))


def test_names_that_differ_have_ids_that_differ():
    names = ["a-b", "a.b", "a_b", "a_2Db", "a_2Eb", "a_5F2Db", "a__2Db", "ab", "a-.b", "a_-b", "a-_b"]
    assert len({mermaid_id(name) for name in names}) == len(names)


def test_a_hostile_campaign_id_stays_on_its_line_and_says_nothing_to_mermaid():
    text = to_mermaid(make_plan({"a": [], "b": ["a"]}, campaign_id=HOSTILE))
    assert len(text.splitlines()) == len(to_mermaid(make_plan({"a": [], "b": ["a"]})).splitlines())
    title = text.splitlines()[1].removeprefix("  accTitle: ")
    assert not re.search(r"[<>\"%{}`;](?<!\d;)|--|\\", title)
    assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), title) == f"Plan for campaign {plain_text(HOSTILE)}"


def test_a_hostile_campaign_id_stays_inside_its_quotes_in_dot():
    line = to_dot(make_plan({"a": []}, campaign_id=HOSTILE)).splitlines()[1]
    label = re.search(r'label="((?:\\.|[^"\\])*)", tooltip="(?:\\.|[^"\\])*"\]$', line)
    assert label
    assert re.sub(r"\\(.)", r"\1", label[1]).replace("&amp;", "&") == plain_text(HOSTILE)


def test_plain_text_keeps_words_and_drops_what_formats_cannot_hold():
    assert plain_text(" a\r\n\tb\x0b日本\x00\ud800\uffff👩‍🚀 ") == "a b 日本\ufffd\ufffd\ufffd👩‍🚀"


def test_a_plan_of_one_agent_has_a_node_and_no_edge():
    plan = make_plan({"writer": []})
    assert 'a_writer["writer<br/>1 min"]' in to_mermaid(plan)
    assert "->" not in to_mermaid(plan)
    assert '"writer" [label="writer\\n1 min"' in to_dot(plan)
    assert "->" not in to_dot(plan)


def test_a_sequential_plan_has_no_frames():
    plan = make_plan(BLOG, strategy="sequential")
    assert "subgraph" not in to_mermaid(plan)
    assert "cluster" not in to_dot(plan)


def test_levels_are_columns_until_they_are_too_many_for_a_screen():
    chain = {f"s{i}": [f"s{i - 1}"] if i else [] for i in range(20)}
    fan: dict[str, list[str]] = {"source": []} | {f"f{i}": ["source"] for i in range(60)}
    assert left_to_right(make_plan(BLOG))
    assert left_to_right(make_plan(fan))
    assert not left_to_right(make_plan(chain))
    assert to_mermaid(make_plan(chain)).startswith("flowchart TB\n")
    assert "rankdir=TB" in to_dot(make_plan(chain))


PRINT_ALL = """
import random
from planner_graph.planning.pictures.drawing import to_dot, to_mermaid
from planner_graph.planning.pictures.svg import to_svg
from tests.plans import make_plan
pick = random.Random(5)
names = [f"agent-{number}.x" for number in range(40)]
dependencies = {name: pick.sample(names[:place], min(place, pick.randint(0, 3))) for place, name in enumerate(names)}
kinds = {(name, other): pick.choice(["hard", "soft", "optional"]) for name in names for other in dependencies[name]}
plan = make_plan(dependencies, kinds=kinds)
print(to_mermaid(plan) + to_dot(plan) + to_svg(plan))
"""


def run_python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return done.stdout


def test_the_same_plan_gives_the_same_bytes_under_every_hash_seed():
    pictures = {
        run_python(PRINT_ALL, PYTHONHASHSEED=seed, PYTHONPATH=os.pathsep.join(sys.path), PYTHONIOENCODING="utf-8")
        for seed in ("0", "1", "4242")
    }
    assert len(pictures) == 1
    assert "</svg>" in pictures.pop()


def test_drawing_loads_neither_langgraph_nor_a_database_driver_nor_a_server():
    code = "import sys; from planner_graph.planning.pictures import drawing, svg; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run_python(code).split()}
    assert not loaded & {"langgraph", "langchain_core", "psycopg", "fastapi"}


def test_pictures_of_one_plan_do_not_depend_on_what_was_drawn_before():
    plan = make_plan(BLOG)
    first = to_mermaid(plan), to_dot(plan), to_svg(plan)
    to_svg(make_plan({"x": [], "y": ["x"]}))
    assert (to_mermaid(plan), to_dot(plan), to_svg(plan)) == first


def test_mermaid_says_when_a_picture_is_beyond_what_it_draws():
    names = [f"a{number}" for number in range(40)]
    small = make_plan({name: names[:place][-12:] for place, name in enumerate(names)})
    assert sum(len(step.dependencies) for step in small.steps) <= 500
    assert to_mermaid(small).startswith("flowchart")
    large = make_plan({name: names[:place][-20:] for place, name in enumerate(names)})
    edges = sum(len(step.dependencies) for step in large.steps)
    first, second = to_mermaid(large).splitlines()[:2]
    limit = f"the picture has {edges} edges, of which Mermaid draws 500 (maxEdges)"
    assert first == f"%% {limit}; raise that where it is shown, or draw an SVG"
    assert second.startswith("flowchart")


def test_mermaid_says_when_a_text_is_longer_than_it_reads():
    plan = make_plan({"a" * 90 + str(number): [] for number in range(300)})
    first = to_mermaid(plan).splitlines()[0]
    assert re.match(r"%% the picture has [\d,]+ characters, of which it reads 50,000 \(maxTextSize\);", first)
