"""What is refused before any agent runs: plans, bodies, campaigns."""

import enum
from datetime import date
from typing import Any, cast

import pytest
from langgraph.graph import StateGraph

from planner_graph.campaign import Campaign
from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import AgentBindingError, CampaignError, UnboundAgentsError
from tests.catalogs import spec
from tests.fakes import WAYS, Notebook, planned, run
from tests.plans import BLOG, make_plan


def test_all_unbound_agents_are_named_at_once_with_the_nearest_known_names():
    bodies = Notebook().bodies(["planer", "researcher", "write", "image", "social_media", "zebra"])
    with pytest.raises(UnboundAgentsError) as caught:
        compile_plan(make_plan(BLOG), bodies)
    assert str(caught.value) == (
        "no body is bound to 4 agents of the plan:\n"
        "  'planner', did you mean 'planer'?\n"
        "  'writer', did you mean 'write'?\n"
        "  'editor'\n"
        "  'seo'\n"
        "bind each of them in the AgentFactory or mapping that the graph is compiled with"
    )
    assert caught.value.agents == ("planner", "writer", "editor", "seo")


def test_a_single_unbound_agent():
    with pytest.raises(UnboundAgentsError, match=r"^no body is bound to 1 agent of the plan:\n  'a'\n"):
        compile_plan(make_plan({"a": []}), {})


def test_bodies_for_agents_that_are_not_in_the_plan_do_no_harm():
    graph = compile_plan(make_plan({"a": []}), {"a": lambda _: 1, "b": cast("Any", 7)})
    assert run(graph)["result"]["status"] == "completed"


@pytest.mark.parametrize(
    "body",
    [7, "my.module:writer", None, {"a": 1}, StateGraph(cast("Any", dict))],
    ids=["a number", "a reference", "nothing", "a mapping", "a graph that is not compiled"],
)
def test_a_body_that_cannot_run_is_refused(body):
    with pytest.raises(AgentBindingError) as caught:
        compile_plan(make_plan({"a": []}), {"a": body})
    expected = (
        f"{body!r} is neither a function nor a runnable; bind a function, a LangChain runnable or a compiled graph"
    )
    assert str(caught.value) == f"agent binding 'a': {expected}"


class Mood(enum.StrEnum):
    DRY = "dry"


REMEDY = "pass campaign.model_dump(mode='json')"


@pytest.mark.parametrize(
    ("campaign", "findings"),
    [
        (None, [f"the input has no campaign; {REMEDY} under 'campaign'"]),
        ("campaign.yaml", [f"the input 'campaign' is a str; {REMEDY}"]),
        (Campaign(id="c", type="all"), [f"the input 'campaign' is a Campaign; {REMEDY}"]),
        ({"day": date(2030, 1, 1)}, [f"campaign.day: a date is not plain JSON; {REMEDY}"]),
        ({"types": ("a", "b")}, [f"campaign.types: a tuple is not plain JSON; {REMEDY}"]),
        ({"mood": Mood.DRY}, [f"campaign.mood: a Mood is not plain JSON; {REMEDY}"]),
        (
            {"tasks": [{"x": {1}}, b"x"]},
            [
                f"campaign.tasks[0].x: a set is not plain JSON; {REMEDY}",
                f"campaign.tasks[1]: a bytes is not plain JSON; {REMEDY}",
            ],
        ),
        ({"x": {1: 2}}, [f"campaign.x: the key 1 is no text; {REMEDY}"]),
        ({"x": float("nan")}, ["campaign.x: nan is not a JSON number; write a finite number, or null"]),
        ({"provided": [1]}, ["campaign.provided: 'provided' is a list; write a mapping of names to values"]),
    ],
    ids=repr,
)
def test_a_campaign_that_is_not_plain_json_is_refused_with_every_place(campaign, findings):
    notes = Notebook()
    graph = compile_plan(make_plan({"a": []}), notes.bodies("a"))
    with pytest.raises(CampaignError) as caught:
        run(graph, {"campaign": campaign})
    assert [str(finding) for finding in caught.value.findings] == findings
    assert notes.started == []


@pytest.mark.parametrize("how", WAYS)
def test_an_input_without_a_campaign_is_refused(how):
    graph = compile_plan(make_plan({"a": []}), Notebook().bodies("a"))
    with pytest.raises(CampaignError, match="the input has no campaign"):
        run(graph, {"campaign": None}, how=how)


def test_a_campaign_without_what_the_plan_counts_on_is_refused_with_all_names():
    plan = planned(
        spec("writer", needs=["brief"], uses=["tone"]),
        deliverables=["logo", "writer"],
        provided={"brief": "b", "tone": "t", "logo": "l", "unused": 1},
    )
    with pytest.raises(CampaignError) as caught:
        run(compile_plan(plan, Notebook().bodies(plan.by_agent)), {"campaign": {"provided": {"tone": "dry"}}})
    head, tail = "campaign.provided: the plan was made for a campaign that provides", "this one does not"
    remedy = "provide it, or plan this campaign anew"
    assert [str(finding) for finding in caught.value.findings] == [
        f"{head} 'brief', which agent 'writer' reads; {tail}; {remedy}",
        f"{head} 'logo', which the deliverables name; {tail}; {remedy}",
    ]


def test_the_campaign_the_plan_was_made_for_is_accepted_as_the_remedy_says():
    request = Campaign.model_validate(
        {"id": "c", "type": "all", "content_types": ["x"], "provided": {"brief": {"a": [1, 2.5, None, True]}}}
    )
    plan = planned(spec("writer", needs=["brief"]), provided=request.provided)
    graph = compile_plan(plan, {"writer": lambda inputs: inputs["brief"]})
    assert run(graph, {"campaign": request.model_dump(mode="json")})["writer"]["output"] == {
        "writer": {"a": [1, 2.5, None, True]}
    }
