"""``langgraph.json`` is one that LangGraph's tools take, and what it installs is what the example needs."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from langgraph_cli.config import validate_config_file

from planner_graph import AgentFactory, Campaign, Catalog, Studio, agent, compile_planner
from planner_graph.errors import CampaignError

ROOT = Path(__file__).parents[2]
CONFIG = json.loads((ROOT / "langgraph.json").read_text())


def name(requirement):
    return re.split(r"[^\w.-]", requirement)[0]


def test_langgraphs_tools_take_it():
    assert list(validate_config_file(ROOT / "langgraph.json")["graphs"]) == ["campaign", "blog_campaign"]


def test_the_graphs_are_where_it_says():
    for graph in CONFIG["graphs"].values():
        file, _, attribute = graph["path"].partition(":")
        assert re.search(rf"^{attribute} = ", (ROOT / file).read_text(), re.MULTILINE)


def test_an_image_gets_what_the_example_needs():
    """``langgraph build`` writes the list into a shell's command as it is."""
    here, *others = CONFIG["dependencies"]
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["example"]
    assert here == "."
    assert [name(each) for each in others] == [name(each) for each in extra]
    assert not [each for each in others if set(each) & set("<>&|;$ ")]


def test_the_server_is_to_build_nothing_that_is_not_safe_and_to_read_no_pickle():
    assert CONFIG["env"] == {"LANGGRAPH_STRICT_MSGPACK": "true"}
    assert CONFIG["checkpointer"] == {"serde": {"pickle_fallback": False}}


def test_an_empty_input_takes_the_campaign_that_is_known():
    made = agent(name="greeter", outputs=["greeting"])(lambda inputs: {"greeting": inputs["campaign"]["brief"]})
    studio = Studio(AgentFactory.of(made), catalog=Catalog())
    campaign = Campaign(brief="hello", deliverables=("greeting",))
    fixed = studio.plan(campaign, name="greeting")._graph
    planning = compile_planner(studio.planner, studio.agents)
    context: Any = {"campaign": {"brief": "hello", "deliverables": ["greeting"]}}
    inputs: tuple[Any, ...] = ({}, {"campaign": {}})
    for given in inputs:
        assert fixed.invoke(given)["result"]["deliverables"] == {"greeting": "hello"}
        assert planning.invoke(given, context=context)["result"]["deliverables"] == {"greeting": "hello"}
    with pytest.raises(CampaignError):
        planning.invoke(inputs[0])


def test_agents_with_names_of_the_built_in_catalog_are_told_and_how_to_leave_it_out(caplog):
    name = next(iter(Catalog.builtin().agents))
    factory = AgentFactory.of(agent(name=name, description="Mine.", outputs=["mine"])(lambda _: {"mine": 1}))
    Studio(factory)
    assert repr(name) in caplog.text
    assert "catalog=Catalog()" in caplog.text
    caplog.clear()
    assert set(Studio(factory, catalog=Catalog()).planner.catalog.agents) == {name}
    assert caplog.text == ""
