"""Which agents a campaign gets, why, and what stands in the way."""

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.planning.contents import CAMPAIGN
from planner_graph.planning.selection import producers, select
from tests.catalogs import catalog, spec

BUILTIN = Catalog.builtin()

BAKERY = catalog(
    spec("miller", gives=["flour"]),
    spec("dairy", gives=["milk", "butter"]),
    spec("baker", needs=["flour", "butter"], gives=["bread"]),
    spec("florist", gives=["flowers"]),
    select={"breakfast": ["baker"], "market": ["dairy", "florist"]},
)


def chosen(campaign, known=BAKERY):
    selection, findings = select(campaign, known)
    assert findings == []
    return list(selection.reasons)


def reasons(campaign, known=BAKERY):
    return select(campaign, known)[0].reasons


def problems(campaign, known=BAKERY):
    return [str(finding) for finding in select(campaign, known)[1]]


PICTURES = ["art_direction", "image"]


@pytest.mark.parametrize(
    ("asked", "agents"),
    [
        pytest.param({}, [], id="plain"),
        pytest.param({"content_types": ["image"]}, PICTURES, id="content type image"),
        pytest.param({"include_images": True}, PICTURES, id="images wanted"),
        pytest.param({"content_types": ["social_media"]}, ["social_media"], id="content type social_media"),
        pytest.param({"content_types": ["image", "social_media"]}, [*PICTURES, "social_media"], id="both"),
        pytest.param({"tasks": [{"type": "image_generation"}]}, PICTURES, id="task image_generation"),
        pytest.param({"tasks": [{"type": "social_media_adaptation"}]}, ["social_media"], id="task social media"),
        pytest.param({"tasks": [{"type": "image_generation"}] * 2}, PICTURES, id="the same task twice"),
    ],
)
def test_a_blog_campaign_gets_the_five_of_the_core_and_what_it_asks_for(asked, agents):
    campaign = Campaign(type="blog_creation", **asked)
    assert chosen(campaign, BUILTIN) == ["planner", "researcher", "writer", "editor", "seo", *agents]


def test_content_repurposing_does_without_research_and_search():
    campaign = Campaign(type="content_repurposing")
    assert chosen(campaign, BUILTIN) == ["planner", "writer", "editor", "social_media"]


def test_a_task_adds_its_agent_to_any_type():
    campaign = Campaign.model_validate({"type": "content_repurposing", "tasks": [{"type": "image_generation"}]})
    assert chosen(campaign, BUILTIN) == ["planner", "writer", "editor", *PICTURES, "social_media"]


def test_agents_stand_in_catalog_order_whatever_called_for_them():
    assert chosen(Campaign(deliverables=("flowers", "bread"))) == ["miller", "dairy", "baker", "florist"]


def test_a_deliverable_brings_its_producer_and_the_producers_of_all_it_needs():
    assert chosen(Campaign(deliverables=("bread",))) == ["miller", "dairy", "baker"]


def test_chaining_goes_on_through_agents_that_rules_selected():
    assert chosen(Campaign(type="breakfast")) == ["miller", "dairy", "baker"]


def test_chaining_stops_at_what_the_campaign_provides():
    assert chosen(Campaign(deliverables=("bread",), provided={"flour": "10 kg"})) == ["dairy", "baker"]


def test_a_provided_empty_value_is_provided():
    assert chosen(Campaign(deliverables=("bread",), provided={"flour": None})) == ["dairy", "baker"]


def test_an_optional_input_brings_nobody():
    known = catalog(spec("miller", gives=["flour"]), spec("baker", uses=["flour"]), select={"t": ["baker"]})
    assert chosen(Campaign(type="t"), known) == ["baker"]


def test_a_hard_dependency_brings_its_agent_and_no_other_kind_does():
    known = catalog(
        spec("grower"),
        spec("miller", after=["grower"]),
        spec("cleaner"),
        spec("dairy"),
        spec("baker", after={"hard": ["miller"], "soft": ["cleaner"], "optional": ["dairy"]}),
        select={"t": ["baker"]},
    )
    assert reasons(Campaign(type="t"), known) == {
        "grower": ("'miller' depends on it",),
        "miller": ("'baker' depends on it",),
        "baker": ("campaign type 't' (rule 't')",),
    }


def test_types_and_deliverables_combine():
    assert chosen(Campaign(type="breakfast", deliverables=("flowers",))) == ["miller", "dairy", "baker", "florist"]


def test_a_rule_without_condition_always_applies():
    known = Catalog.of(
        spec("guard"), spec("baker"), rules=[Rule.model_validate({"name": "always", "select": ["guard"]})]
    )
    selection, findings = select(Campaign(deliverables=("baker",)), known)
    assert (dict(selection.reasons), findings) == (
        {"guard": ("every campaign (rule 'always')",), "baker": ("produces the deliverable 'baker'",)},
        [],
    )


def test_every_condition_of_a_rule_must_match():
    when = {"campaign_type": "shop", "content_type": "poster", "task_type": "draw", "include_images": False}
    rule = Rule.model_validate({"name": "picky", "when": when, "select": ["painter"]})
    known = Catalog.of(spec("painter"), rules=[rule])
    full = {"type": "shop", "content_types": ["poster"], "tasks": [{"type": "draw"}]}
    words = "campaign type 'shop' and content type 'poster' and a task of type 'draw' and no images are wanted"
    assert reasons(Campaign.model_validate(full), known) == {"painter": (f"{words} (rule 'picky')",)}
    for missing in full:
        partial = {key: value for key, value in full.items() if key != missing}
        assert reasons(Campaign.model_validate(partial), known) == {}
    assert reasons(Campaign.model_validate({**full, "include_images": True}), known) == {}


def test_reasons_say_everything_that_calls_for_an_agent_once():
    campaign = Campaign(type="market", deliverables=("butter", "bread"))
    assert reasons(campaign)["dairy"] == (
        "campaign type 'market' (rule 'market')",
        "produces the deliverable 'butter'",
        "produces 'butter', which 'baker' needs",
    )


@pytest.mark.parametrize(
    ("eaters", "reason"),
    [
        (1, "produces 'bread', which 'eater0' needs"),
        (2, "produces 'bread', which 'eater0' and 'eater1' need"),
        (3, "produces 'bread', which 'eater0', 'eater1' and 'eater2' need"),
        (4, "produces 'bread', which 'eater0', 'eater1', 'eater2' and 1 more need"),
        (50, "produces 'bread', which 'eater0', 'eater1', 'eater2' and 47 more need"),
    ],
)
def test_a_reason_stays_short_however_many_agents_need_an_output(eaters, reason):
    names = [f"eater{number}" for number in range(eaters)]
    known = catalog(
        spec("baker", gives=["bread"]), *(spec(name, needs=["bread"]) for name in names), select={"t": names}
    )
    assert reasons(Campaign(type="t"), known)["baker"] == (reason,)


def test_agents_are_left_out_with_a_reason():
    campaign = Campaign(type="market", deliverables=("bread",), provided={"milk": 1, "butter": 2, "flour": 3})
    assert select(campaign, BAKERY)[0].left_out == {
        "miller": "the campaign already provides 'flour'",
        "dairy": "the campaign already provides 'milk', 'butter'",
    }


def test_an_agent_that_gives_more_than_what_is_provided_stays():
    campaign = Campaign(type="market", provided={"milk": 1})
    assert chosen(campaign) == ["dairy", "florist"]


def test_deliverables_name_who_gives_them():
    campaign = Campaign(deliverables=("bread", "flour"), provided={"flour": 1})
    assert [(product.name, product.sources) for product in select(campaign, BAKERY)[0].products] == [
        ("bread", {"bread": "baker"}),
        ("flour", {"flour": CAMPAIGN}),
    ]


@pytest.mark.parametrize(
    ("asked", "outputs"),
    [
        ({"deliverables": ["post"]}, ("post",)),
        ({"type": "market", "deliverables": ["post"]}, ("post",)),
        (
            {"type": "blog_creation", "deliverables": ["post"]},
            ("final_content", "optimized_content", "edited_content", "blog_content"),
        ),
    ],
)
def test_an_output_is_meant_before_a_product_of_rules_that_do_not_apply(asked, outputs):
    market = catalog(spec("author", gives=["post"]), select={"market": ["author"]})
    known = BUILTIN.extended(market)
    campaign = Campaign.model_validate(asked)
    [product] = select(campaign, known)[0].products
    assert (product.name, product.outputs) == ("post", outputs)
    assert ("author" in chosen(campaign, known)) == (outputs == ("post",))


def test_a_stand_in_does_not_claim_the_output_of_the_agent_it_stands_in_for():
    first = catalog(spec("machine", gives=["text"]), spec("human", gives=["text"], fallback="machine"))
    last = catalog(spec("human", gives=["text"], fallback="machine"), spec("machine", gives=["text"]))
    assert producers(first) == producers(last) == {"text": "human"}


@pytest.mark.parametrize(
    ("campaign", "problem"),
    [
        ({}, "the campaign asks for nothing; add a 'type', 'tasks' or 'deliverables'"),
        (
            {"include_images": True},
            "the campaign needs no agent at all; name a type, a task or a deliverable that the catalog knows",
        ),
        (
            {"deliverables": ["flour"], "provided": {"flour": 1}},
            "the campaign already provides all it asks for; ask for something that is not under 'provided'",
        ),
        (
            {"type": "market", "provided": {"milk": 1, "butter": 1, "flowers": 1}},
            "the campaign already provides all it asks for; ask for something that is not under 'provided'",
        ),
        ({"type": "breakfst"}, "type: unknown campaign type 'breakfst'; did you mean 'breakfast'?"),
        ({"type": "war"}, "type: unknown campaign type 'war'; the catalog knows: all, breakfast, market"),
        (
            {"type": "market", "content_types": ["song"]},
            "content_types[0]: unknown content type 'song'; the catalog knows: none",
        ),
        (
            {"type": "market", "tasks": [{"type": "sing"}]},
            "tasks[0].type: unknown task type 'sing'; the catalog knows: none",
        ),
        (
            {"deliverables": ["braed"]},
            "deliverables[0]: no agent produces the deliverable 'braed'; did you mean 'bread'?",
        ),
        (
            {"deliverables": ["gold"]},
            (
                "deliverables[0]: no agent produces the deliverable 'gold'; "
                "ask for an output that an agent of the catalog declares"
            ),
        ),
        (
            {"type": "market", "configuration": {"dariy": {}}},
            "configuration.dariy: configuration for an unknown agent 'dariy'; did you mean 'dairy'?",
        ),
        (
            {"type": "market", "configuration": {"goldsmith": {}}},
            "configuration.goldsmith: configuration for an unknown agent 'goldsmith'; remove it",
        ),
    ],
)
def test_what_is_wrong_with_a_campaign_is_said_with_its_place_and_a_remedy(campaign, problem):
    assert problems(Campaign.model_validate(campaign)) == [problem]


def test_words_near_to_many_are_compared_with_the_built_in_catalog_too():
    campaign = Campaign(type="blog_creaton", content_types=("imag",))
    assert problems(campaign, BUILTIN) == [
        "type: unknown campaign type 'blog_creaton'; did you mean 'blog_creation'?",
        "content_types[0]: unknown content type 'imag'; did you mean 'image'?",
    ]


def test_a_missing_input_names_the_agent_that_needs_it():
    known = catalog(spec("miller", gives=["flour"]), spec("baker", needs=["flours", "salt"]))
    near, far = problems(Campaign(deliverables=("baker",)), known)
    assert near == (
        "agents.baker.inputs[0]: agent 'baker' needs the input 'flours', which neither an agent nor the campaign "
        "gives; did you mean 'flour'?"
    )
    assert far == (
        "agents.baker.inputs[1]: agent 'baker' needs the input 'salt', which neither an agent nor the campaign "
        "gives; add 'salt' under 'provided' in the campaign, or make the input not required"
    )


def test_a_missing_input_of_an_agent_nobody_needs_does_not_matter():
    known = catalog(spec("miller", gives=["flour"]), spec("baker", needs=["salt"]))
    assert chosen(Campaign(deliverables=("flour",)), known) == ["miller"]


def test_everything_is_reported_at_once_campaign_first():
    campaign = Campaign.model_validate(
        {
            "type": "nonsense",
            "content_types": ["song"],
            "tasks": [{"type": "sing"}],
            "deliverables": ["gold", "bread"],
            "configuration": {"goldsmith": {}},
        }
    )
    known = catalog(spec("baker", needs=["flour"], gives=["bread"]))
    keys = [finding.key for finding in select(campaign, known)[1]]
    assert keys == [
        "type",
        "content_types[0]",
        "tasks[0].type",
        "configuration.goldsmith",
        "deliverables[0]",
        "agents.baker.inputs[0]",
    ]


def test_a_thousand_unknown_names_are_all_reported_but_not_all_compared():
    campaign = Campaign(deliverables=tuple(f"braed{number}" for number in range(1000)))
    found = problems(campaign)
    assert len(found) == 1000
    assert found[0].endswith("did you mean 'bread'?")
    assert found[-1].endswith("ask for an output that an agent of the catalog declares")
