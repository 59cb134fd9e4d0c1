"""A part of a run is run again from the command line, as a new run."""

import pytest

NEWS = """
from pathlib import Path
from planner_graph import agent


def note(name):
    with Path("calls").open("a") as calls:
        calls.write(name + " ")


@agent(outputs=["facts"])
def digger(_):
    note("digger")
    return {"facts": 2}


@agent(inputs=["facts"], outputs=["post.html"], configuration={"tone": "dry"})
def author(inputs):
    note("author")
    return f"<p>{inputs['configuration']} {inputs['facts']}</p>"


agents = [digger, author]
"""
CAMPAIGN = "id: c\ndeliverables: [post.html]\n"


@pytest.fixture
def newsroom(stored):
    stored.write("news.py", NEWS)
    stored.write("c.yaml", CAMPAIGN)
    first = stored("run", "c.yaml", "--agents", "news.py:agents", "--output", "first", "--json")
    assert first.code == 0, first.err
    stored.first = first.document["workflow_execution_id"]
    return stored


def test_it_keeps_what_came_before_and_configures_the_agent_otherwise(newsroom):
    options = ["--from", "author", "--with", "tone=kind", "--with", "words=300"]
    again = newsroom("rerun", newsroom.first[:8], *options, "--output", "second", "--json")
    assert again.code == 0, again.err
    assert f"keeps 1 agent of run {newsroom.first}: digger" in again.err
    assert "agent 'author' runs again: it was asked to" in again.err
    assert again.document["workflow_execution_id"] != newsroom.first
    assert (newsroom.folder / "calls").read_text().split() == ["digger", "author", "author"]
    assert (newsroom.folder / "first" / "post.html").read_text() == "<p>{'tone': 'dry'} 2</p>"
    assert (newsroom.folder / "second" / "post.html").read_text() == "<p>{'tone': 'kind', 'words': 300} 2</p>"


def test_what_is_wrong_is_said_and_nothing_is_run(newsroom):
    for options, words in (
        (["--from", "autor"], "its plan has no such agent"),
        (["--from", "author", "--with", "tone"], "'tone' is no KEY=VALUE"),
    ):
        refused = newsroom("rerun", newsroom.first, *options)
        assert refused.code == 2
        assert words in refused.err
    assert (newsroom.folder / "calls").read_text().split() == ["digger", "author"]
