"""A plan in words."""

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.planning.explanation import duration_text
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from tests.catalogs import catalog, spec

BAKERY = catalog(
    spec("miller", gives=["flour"], seconds=600),
    spec("dairy", gives=["butter"], seconds=60),
    spec("taster", after={"soft": ["dairy"]}, seconds=30),
    spec("baker", needs=["flour", "salt"], uses=["butter"], after={"hard": ["chef"]}, gives=["bread"], seconds=3600),
    spec(
        "waiter", needs=["bread"], after={"optional": ["taster"], "soft": ["florist"]}, gives=["breakfast"], seconds=45
    ),
    spec("chef", seconds=5),
    spec("florist", seconds=5),
    select={"breakfast": ["dairy", "taster"]},
)
CAMPAIGN = Campaign(
    id="hotel", type="breakfast", deliverables=("salt", "breakfast"), provided={"salt": "1 kg", "florist": "roses"}
)

EXPLANATION = """\
Plan for campaign 'hotel' of type 'breakfast': 6 agents, strategy adaptive.
Order: each agent starts once its own dependencies have ended, the longest remaining chain first. Ties keep the \
catalog's order.
Expected: 1 h 11 min for 1 h 12 min of work; no strategy beats the critical path of 1 h 11 min. With the buffer of \
5 min: 75 min.

Agents, in execution order:
  1. miller (10 min, declared in the catalog; critical, parallel group 0)
     in because: produces 'flour', which 'baker' needs
  2. dairy (1 min, declared in the catalog; may slip 9 min, parallel group 0)
     in because: campaign type 'breakfast' (rule 'breakfast')
  3. chef (5 s, declared in the catalog; may slip 9 min 55 s, parallel group 0)
     in because: 'baker' depends on it
  4. taster (30 s, declared in the catalog; may slip 1 h 9 min, parallel group 1)
     in because: campaign type 'breakfast' (rule 'breakfast')
     after: dairy (soft)
  5. baker (1 h, declared in the catalog; critical, parallel group 1)
     in because: produces 'bread', which 'waiter' needs
     after: miller for flour; dairy (soft) for butter; chef
     from the campaign: salt
  6. waiter (45 s, declared in the catalog; critical)
     in because: produces the deliverable 'breakfast'
     after: baker for bread
     uses without waiting: taster

Critical path (1 h 11 min): miller -> baker -> waiter

Deliverables:
  salt: from campaign
  breakfast: from waiter

Dropped dependencies, because the other agent is left out:
  waiter after florist (soft): no rule and no deliverable calls for it

Left out:
  florist: no rule and no deliverable calls for it
"""


def explain(known=BAKERY, campaign=CAMPAIGN, strategy=None):
    return MasterPlanner(known).create_execution_plan(campaign, strategy).explain()


def test_an_explanation_says_why_each_agent_is_in_why_the_order_and_what_was_dropped():
    assert explain() == EXPLANATION


def test_a_plan_read_back_explains_itself_in_the_same_words():
    plan = MasterPlanner(BAKERY).create_execution_plan(CAMPAIGN)
    assert ExecutionPlan.from_json(plan.canonical_json()).explain() == EXPLANATION


def test_a_parallel_plan_explains_its_own_order():
    assert explain(strategy="parallel").splitlines()[1] == (
        "Order: level by level: the agents of a level run side by side, the next level waits for the slowest. "
        "Ties keep the catalog's order."
    )


def test_a_sequential_plan_explains_its_own_order():
    lines = explain(strategy="sequential").splitlines()
    assert lines[1] == (
        "Order: one agent after the other, each after everything it depends on. Ties keep the catalog's order."
    )
    assert "parallel group" not in explain(strategy="sequential")


def test_an_agent_that_is_not_needed_says_so():
    campaign = Campaign(type="breakfast", provided={"butter": 1})
    assert "Left out:\n  miller, baker" in explain(campaign=campaign)
    assert "  dairy: the campaign already provides 'butter'\n" in explain(campaign=campaign)


def test_nothing_is_said_of_what_there_is_not():
    text = explain(catalog(spec("a")), Campaign(id="c", type="all"))
    assert text == (
        "Plan for campaign 'c' of type 'all': 1 agent, strategy adaptive.\n"
        "Order: each agent starts once its own dependencies have ended, the longest remaining chain first. "
        "Ties keep the catalog's order.\n"
        "Expected: 1 min for 1 min of work; no strategy beats the critical path of 1 min. With the buffer of 5 min: "
        "6 min.\n"
        "\n"
        "Agents, in execution order:\n"
        "  1. a (1 min, declared in the catalog; critical)\n"
        "     in because: campaign type 'all' (rule 'all')\n"
        "\n"
        "Critical path (1 min): a\n"
        "\n"
        "Deliverables:\n"
        "  a: from a\n"
    )


def test_a_campaign_without_type_is_named_without_one():
    assert explain(catalog(spec("a")), Campaign(id="c", deliverables=("a",))).startswith("Plan for campaign 'c': 1 ")


def test_of_many_agents_left_out_for_one_reason_sixty_are_named():
    known = catalog(spec("a"), *(spec(f"n{number}") for number in range(80)), select={"t": ["a"]})
    names = ", ".join(f"n{number}" for number in range(60))
    ending = f"Left out:\n  {names} and 20 more: no rule and no deliverable calls for it\n"
    assert explain(known, Campaign(type="t")).endswith(ending)


def test_the_built_in_blog_campaign_names_every_agent_of_the_catalog():
    known = Catalog.builtin()
    text = explain(known, Campaign(type="blog_creation", include_images=True))
    assert [name for name in known.agents if name not in text] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (59.4, "59.4 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3599, "59 min 59 s"),
        (3599.7, "1 h"),
        (3600, "1 h"),
        (5430, "1 h 30 min"),
        (7199, "2 h"),
        (90_000, "25 h"),
    ],
)
def test_durations_are_written_the_way_people_do(seconds, text):
    assert duration_text(seconds) == text
