"""A part of a run is run again from the command line, as a new run."""

import pytest

from planner_graph.cli.commands.rerun import read_pairs
from planner_graph.errors import InvalidInputError

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


def test_it_keeps_what_came_before_and_configures_the_agent_otherwise(stored):
    stored.write("news.py", NEWS)
    stored.write("c.yaml", CAMPAIGN)
    first = stored("run", "c.yaml", "--agents", "news.py:agents", "--output", "first", "--json")
    assert first.code == 0, first.err
    run = first.document["workflow_execution_id"]

    refused = stored("rerun", run, "--from", "autor")
    assert refused.code == 2
    assert f"cannot run {run} again from agent 'autor': its plan has no such agent" in refused.err

    options = ["--from", "author", "--with", "tone=kind", "--with", "words=300"]
    again = stored("rerun", run[:8], *options, "--output", "second", "--json")
    assert again.code == 0, again.err
    assert f"keeps 1 agent of run {run}: digger" in again.err
    assert "agent 'author' runs again: it was asked to" in again.err
    assert again.document["workflow_execution_id"] != run
    assert (stored.folder / "calls").read_text().split() == ["digger", "author", "author"]
    assert (stored.folder / "first" / "post.html").read_text() == "<p>{'tone': 'dry'} 2</p>"
    assert (stored.folder / "second" / "post.html").read_text() == "<p>{'tone': 'kind', 'words': 300} 2</p>"


@pytest.mark.parametrize("pair", ["tone", "=dry", ""])
def test_a_configuration_without_key_and_value_is_refused(pair):
    with pytest.raises(InvalidInputError, match="is no KEY=VALUE; write --with tone=formal"):
        read_pairs([pair])


def test_a_value_is_json_or_else_text():
    given = ["a=1", "b=[true]", "c=NaN", "d=", 'e="1"', "f={broken"]
    assert read_pairs(given) == {"a": 1, "b": [True], "c": "NaN", "d": "", "e": "1", "f": "{broken"}
