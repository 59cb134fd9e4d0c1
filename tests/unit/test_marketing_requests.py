"""What campaigns a marketing lead asks for, and what the plans of the built-in catalog contain and give."""

from functools import cache
from typing import Any

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.compiler.compiler import compile_plan
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName, Strategy

CATALOG = Catalog.builtin()
PLANNER = MasterPlanner(CATALOG)

TEXT = {"edited_content": "# A post that exists"}
CASE = {"case_study": "# A story that exists"}
PIPELINE = ("planner", "researcher", "writer", "editor")

REQUESTS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # campaign; agents that must be in; agents that must not be; products, with the output that each gives
    "a launch in three languages": (
        {"type": "product_launch", "content_types": ["blog_post", "social_media", "translation"]},
        (
            "planner researcher writer editor landing_page ad_copy press_release email_newsletter localization "
            "social_media legal_review revision publishing_schedule"
        ),
        "podcast webinar",
        (
            "post=final_content landing_page=final_landing_page ads=final_ads press_release=final_press_release "
            "newsletter=final_newsletter posts=final_posts translations=localized_content "
            "publishing_plan=publishing_plan"
        ),
    ),
    "mails to people who try the product": (
        {"type": "email_campaign"},
        "planner email_sequence email_editor ab_testing legal_review analytics_setup",
        "writer editor email_newsletter",
        "mails=final_emails experiment_plan=experiment_plan",
    ),
    "a newsletter from a post": (
        {"content_types": ["newsletter"], "provided": TEXT},
        "email_newsletter newsletter_editor",
        "planner researcher writer editor seo",
        "newsletter=final_newsletter",
    ),
    "a newsletter from a post that search engines know": (
        {"content_types": ["newsletter"], "provided": {"optimized_content": "# Post"}},
        "email_newsletter",
        "planner researcher writer editor seo",
        "newsletter=final_newsletter",
    ),
    "a newsletter from nothing": (
        {"content_types": ["newsletter"]},
        "planner writer editor email_newsletter newsletter_editor",
        "social_media",
        "newsletter=final_newsletter",
    ),
    "a newsletter from a press release": (
        {"content_types": ["newsletter", "press_release"]},
        "press_release press_release_editor email_newsletter newsletter_editor",
        "writer editor",
        "press_release=final_press_release newsletter=final_newsletter",
    ),
    "a webinar": (
        {"type": "webinar"},
        "planner webinar webinar_editor landing_page email_sequence social_media publishing_schedule",
        "writer email_newsletter press_release",
        (
            "registration_page=final_landing_page mails=final_emails posts=final_posts "
            "speaker_notes=final_speaker_notes agenda=final_webinar_agenda publishing_plan=publishing_plan"
        ),
    ),
    "texts for a cluster of keywords": (
        {"type": "seo_campaign"},
        "keyword_research writer editor seo internal_linking revision",
        "social_media",
        "post=final_content metadata=seo_metadata",
    ),
    "an audit of a text": (
        {"type": "seo_audit", "provided": TEXT},
        "seo_audit",
        "planner writer editor researcher keyword_research",
        "seo_audit=seo_audit_report recommendations=seo_recommendations",
    ),
    "an audit of a text, carried out": (
        {"tasks": [{"type": "seo_audit"}, {"type": "seo_optimization"}], "provided": TEXT},
        "seo_audit seo",
        "planner writer editor",
        "recommendations=seo_recommendations post=optimized_content metadata=seo_metadata",
    ),
    "a text for search engines": (
        {"tasks": [{"type": "seo_optimization"}], "provided": TEXT},
        "seo",
        "planner writer editor",
        "post=optimized_content metadata=seo_metadata",
    ),
    "paid search and social": (
        {"type": "advertising_campaign", "limits": {"budget_usd": 3}},
        "planner audience_analysis ad_copy ad_editor landing_page budget_allocation analytics_setup image",
        "writer email_newsletter",
        "ads=final_ads landing_page=final_landing_page budget=channel_budget utm_parameters=utm_parameters",
    ),
    "ads and nothing else": ({"content_types": ["ads"]}, "ad_copy ad_editor", "writer editor image", "ads=final_ads"),
    "a case study, checked by legal": (
        {
            "content_types": ["case_study"],
            "tasks": [{"type": "legal_review"}],
            "provided": {"customer_interview": "They lost no bicycle since."},
        },
        "case_study case_study_editor legal_review",
        "writer editor",
        "case_study=final_case_study legal_findings=legal_findings",
    ),
    "a newsletter from a post, checked by legal": (
        {"content_types": ["newsletter"], "tasks": [{"type": "legal_review"}], "provided": TEXT},
        "email_newsletter legal_review newsletter_editor",
        "planner writer editor revision",
        "newsletter=final_newsletter",
    ),
    "a post that exists, checked by legal": (
        {"content_types": ["blog_post"], "tasks": [{"type": "legal_review"}], "provided": TEXT},
        "legal_review revision",
        "planner writer editor",
        "post=final_content",
    ),
    "a press release that exists, checked by legal": (
        {"content_types": ["press_release"], "tasks": [{"type": "legal_review"}], "provided": {"press_release": "x"}},
        "legal_review press_release_editor",
        "planner press_release",
        "press_release=final_press_release",
    ),
    "a launch with a post and pictures that exist": (
        {"type": "product_launch", "provided": {**TEXT, "generated_images": []}},
        "planner seo revision landing_page",
        "writer editor art_direction image",
        "post=final_content ads=final_ads",
    ),
    "an article that exists, for the head of the company": (
        {"type": "thought_leadership", "provided": TEXT},
        "fact_check brand_voice quality_score revision",
        "writer editor outline",
        "post=final_content summary_and_teasers=final_pieces",
    ),
    "mails, and posts made from them": (
        {"type": "email_campaign", "content_types": ["social_media"]},
        "email_sequence social_media social_media_editor",
        "writer editor",
        "mails=final_emails posts=final_posts",
    ),
    "posts from an article": (
        {"type": "content_repurposing", "provided": TEXT},
        "social_media",
        "planner researcher writer editor seo",
        "posts=social_posts",
    ),
    "posts from an article that nobody edited": (
        {"type": "content_repurposing", "provided": {"blog_content": "# Draft"}},
        "editor social_media",
        "planner researcher writer seo",
        "posts=social_posts",
    ),
    "posts from an article, checked by legal": (
        {"type": "content_repurposing", "tasks": [{"type": "legal_review"}], "provided": TEXT},
        "social_media legal_review social_media_editor",
        "planner writer editor",
        "posts=final_posts threads_and_captions=final_platform_content",
    ),
    "questions and answers from an article": (
        {"tasks": [{"type": "content_repurposing"}], "provided": TEXT},
        "repurposing",
        "planner writer editor",
        "repurposed_content=repurposed_content",
    ),
    "an article for the head of the company": (
        {"type": "thought_leadership"},
        "writer fact_check brand_voice editor quality_score revision",
        "landing_page ad_copy",
        "post=final_content summary_and_teasers=final_pieces",
    ),
    "an episode of a podcast": (
        {"type": "podcast"},
        "podcast podcast_editor legal_review publishing_schedule",
        "writer landing_page",
        "episode_outline=episode_outline questions=interview_questions show_notes=final_show_notes clips=final_clips",
    ),
    "an episode of a podcast in two languages": (
        {"type": "podcast", "content_types": ["translation"]},
        "podcast localization",
        "writer editor",
        "show_notes=final_show_notes translations=localized_content",
    ),
    "a white paper": (
        {"type": "whitepaper"},
        "white_paper white_paper_editor fact_check landing_page email_sequence",
        "writer email_newsletter",
        "white_paper=final_white_paper landing_page=final_landing_page mails=final_emails",
    ),
    "a case study in other languages": (
        {"content_types": ["translation"], "provided": CASE},
        "localization",
        "planner writer editor case_study",
        "translations=localized_content",
    ),
    "posts in other languages": (
        {"type": "localisation", "provided": {"social_posts": ["One lock, one key."]}},
        "localization",
        "planner writer editor social_media",
        "translations=localized_content",
    ),
    "research and nothing else": (
        {"tasks": [{"type": "market_research"}, {"type": "competitor_analysis"}]},
        "researcher competitor_analysis",
        "writer editor audience_analysis",
        "market_trends=market_trends competitors=competitor_profiles",
    ),
    "an event": (
        {"type": "event_promotion"},
        "landing_page email_sequence press_release influencer_outreach social_media legal_review publishing_schedule",
        "writer editor email_newsletter",
        "registration_page=final_landing_page mails=final_emails press_release=final_press_release posts=final_posts",
    ),
    "a film": (
        {"type": "video_campaign"},
        "video_script script_editor image social_media legal_review publishing_schedule",
        "writer landing_page",
        "video_script=final_video_script captions=final_captions storyboard=storyboard posts=final_posts",
    ),
    "an infographic and nothing else": (
        {"content_types": ["infographic"]},
        "researcher infographic_design infographic",
        "writer editor image",
        "infographic=infographic_image",
    ),
    "people with an audience": (
        {"type": "influencer_campaign"},
        "audience_analysis influencer_brief influencer_outreach influencer_editor legal_review",
        "writer landing_page",
        "influencer_brief=final_influencer_brief outreach_messages=final_outreach_messages budget=channel_budget",
    ),
    "the press": (
        {"type": "pr_campaign"},
        "press_release fact_check legal_review press_release_editor media_outreach publishing_schedule",
        "writer landing_page ad_copy",
        "press_release=final_press_release pitches=media_pitches press_questions=press_questions",
    ),
    "pictures for a post": (
        {"content_types": ["image"], "provided": TEXT},
        "art_direction image",
        "planner writer",
        "pictures=generated_images",
    ),
    "prompts for another image service": (
        {"tasks": [{"type": "image_prompts"}]},
        "planner art_direction",
        "image",
        "image_prompts=image_prompts",
    ),
    "alternative texts for pictures": (
        {"tasks": [{"type": "accessibility_review"}], "provided": {"generated_images": []}},
        "accessibility",
        "planner image editor",
        "alt_texts=alt_texts",
    ),
    "a check of facts in a text": (
        {"tasks": [{"type": "fact_checking"}], "provided": TEXT},
        "fact_check",
        "planner writer editor",
        "fact_check=fact_check_report",
    ),
    "links into a text": (
        {"tasks": [{"type": "internal_linking"}], "provided": TEXT},
        "seo internal_linking revision",
        "planner writer editor",
        "post=final_content",
    ),
    "a draft and its reviews": (
        {"tasks": [{"type": "content_creation"}, {"type": "legal_review"}]},
        "writer editor legal_review revision",
        "seo",
        "post=final_content",
    ),
    "a draft and the check of its facts": (
        {"tasks": [{"type": "content_creation"}, {"type": "fact_checking"}]},
        "writer fact_check editor",
        "seo revision",
        "post=edited_content",
    ),
    "experiments with ads that run": (
        {"tasks": [{"type": "experiment_design"}], "provided": {"ad_variants": []}},
        "ab_testing",
        "planner ad_copy",
        "experiment_plan=experiment_plan",
    ),
    "products by name": (
        {"deliverables": ["landing_page", "ads"]},
        "landing_page_editor ad_editor",
        "writer editor",
        "landing_page=final_landing_page ads=final_ads",
    ),
}


def plan(**campaign: Any) -> ExecutionPlan:
    return PLANNER.create_execution_plan(Campaign.model_validate(campaign))


def given(made: ExecutionPlan) -> dict[str, str]:
    """Give the output that each product of a plan is to be made of."""
    return {
        product.name: next((output for output in product.outputs if output in product.sources), "nothing")
        for product in made.products
    }


def giver_of(made: ExecutionPlan, output: str) -> AgentName | None:
    """Name the agent that gives an output; the agent itself, not its fallback."""
    return next((step.agent for step in made.steps if output in step.outputs), None)


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_gets_the_agents_and_the_products_that_it_needs(request_: str) -> None:
    campaign, need, spare, gives = REQUESTS[request_]
    made = plan(**campaign)
    assert set(need.split()) - set(made.by_agent) == set()
    assert set(spare.split()) & set(made.by_agent) == set()
    assert dict(item.split("=") for item in gives.split()).items() <= given(made).items()


SIMPLE = [rule for rule in CATALOG.rules.values() if len(rule.when.model_dump(exclude_none=True)) == 1]
RULES_BY_TYPE = [rule for rule in SIMPLE if rule.when.campaign_type]
TYPES = [word for rule in RULES_BY_TYPE for word in rule.when.campaign_type or ()]
CONTENT = [(rule.when.content_type or ("",))[0] for rule in SIMPLE if rule.when.content_type]
TASKS = [(rule.when.task_type or ("",))[0] for rule in SIMPLE if rule.when.task_type]
REVIEWS = ["fact_checking", "brand_review", "legal_review", "accessibility_review", "quality_scoring"]


@cache
def plans() -> dict[str, ExecutionPlan]:
    """Give a plan for each type, each kind of content and each task, and for content with each review."""
    campaigns: dict[str, dict[str, Any]] = {}
    for word in TYPES:
        campaigns[word] = {"type": word}
        campaigns[f"{word}, translated"] = {"type": word, "content_types": ["translation"], "include_images": True}
        campaigns[f"{word}, reviewed"] = {"type": word, "tasks": [{"type": name} for name in REVIEWS]}
    for word in CONTENT:
        tasks = [{"type": name} for name in ("analytics_setup", "scheduling")]
        campaigns[f"{word}, translated"] = {"content_types": list(dict.fromkeys([word, "translation"]))}
        campaigns[f"{word}, scheduled"] = {"content_types": [word], "tasks": tasks, "include_images": True}
        for review in REVIEWS:
            campaigns[f"{word}, {review}"] = {"content_types": [word], "tasks": [{"type": review}]}
    for word in TASKS:
        campaigns[f"task {word}"] = {"tasks": [{"type": word}]}
    return {name: plan(**campaign) for name, campaign in campaigns.items()}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("strategy", Strategy)
def test_each_type_can_be_planned_with_each_strategy(kind: str, strategy: Strategy) -> None:
    assert PLANNER.findings(Campaign(type=kind), strategy) == []


def test_each_product_of_a_plan_has_an_agent_that_gives_it() -> None:
    assert [name for name, made in plans().items() if not made.products or "nothing" in given(made).values()] == []


def test_the_schedule_comes_last_and_reads_every_finished_piece() -> None:
    unread: set[str] = set()
    late = []
    for name, made in plans().items():
        step = made.by_agent.get(SCHEDULE)
        if step is None:
            continue
        pieces = {product: output for product, output in given(made).items() if output not in step.outputs}
        unread |= {f"{product} in {name}" for product, output in pieces.items() if output not in step.inputs}
        late += [name for product, output in pieces.items() if giver_of(made, output) not in ancestors(made, SCHEDULE)]
        late += [name] if step.order < len(made.steps) else []
    assert sorted(item for item in unread if item.partition(" ")[0] not in REPORTS) == []
    assert late == []


SCHEDULE = AgentName("publishing_schedule")
REPORTS = {
    # of interest to the team only, never published
    "accessibility_report",
    "audience_segments",
    "brand_review",
    "competitors",
    "fact_check",
    "insights",
    "keywords",
    "link_suggestions",
    "market_trends",
    "outline",
    "personas",
    "positioning_gaps",
    "quality_findings",
    "quality_improvements",
    "recommendations",
    "search_intent",
    "seo_audit",
    "storyboard",
}


def ancestors(made: ExecutionPlan, agent: AgentName) -> set[AgentName]:
    """Give all agents that ``agent`` waits for, directly or through others."""
    found: set[AgentName] = set()
    pending = [agent]
    while pending:
        edges = made.by_agent[pending.pop()].dependencies
        fresh = [edge.agent for edge in edges if edge.kind != "optional" and edge.agent not in found]
        found.update(fresh)
        pending += fresh
    return found


def test_what_a_review_reads_is_given_as_it_is_after_the_review() -> None:
    unheard = set()
    for made in plans().values():
        for product in (product for product in made.products if product.name not in {*REPORTS, *DATA}):
            best = given(made)[product.name]
            giver = AgentName(product.sources[best])
            before = {giver, *ancestors(made, giver)}
            for reviewer in (agent for agent in REVIEWERS if agent in made.by_agent):
                waited_for = {edge.agent for edge in made.by_agent[reviewer].dependencies if edge.kind != "optional"}
                read = [
                    output for output in product.outputs if made.by_agent[reviewer].inputs.get(output) in waited_for
                ]
                unheard |= {(product.name, reviewer)} if read and reviewer not in before else set()
    assert unheard <= PICTURES


REVIEWERS = tuple(map(AgentName, ("fact_check", "brand_voice", "legal_review", "accessibility", "quality_score")))
DATA = {"metadata", "summary_and_teasers"}
"""Products that reviews read beside the texts, or that are made anew from them."""
PICTURES = {("pictures", "legal_review"), ("pictures", "accessibility"), ("infographic", "accessibility")}
"""Reviews that no agent carries out: a picture is not corrected in words."""

CARRIES = {
    "utm_parameters": "landing_page registration_page ads mails newsletter posts press_release show_notes clips "
    "case_study white_paper outreach_messages influencer_brief pitches",
    "link_suggestions": "post",
    "alt_texts": "post landing_page registration_page ads newsletter posts case_study white_paper clips",
    "generated_images": "post landing_page registration_page ads newsletter posts case_study white_paper video_script",
    "tracking_plan": "landing_page registration_page",
}
"""Values that have to get into products, by the products that carry them."""
BEFORE_EDITORS = {"seo", "social_media"}
"""Agents that put links and pictures into a text where no editor comes after them."""


def test_links_pictures_and_alternative_texts_reach_what_carries_them() -> None:
    lost = []
    for name, made in plans().items():
        for value, carriers in CARRIES.items():
            for product in carriers.split() if giver_of(made, value) else ():
                giver = made.deliverables.get(product)
                if giver is None:
                    continue
                agents = [AgentName(giver), *(ancestors(made, AgentName(giver)) & BEFORE_EDITORS)]
                lost += (
                    [] if any(value in made.by_agent[agent].inputs for agent in agents) else [(name, value, product)]
                )
    assert lost == []


def test_texts_are_translated_as_they_are_given() -> None:
    unread = set()
    for made in plans().values():
        step = made.by_agent.get(AgentName("localization"))
        if step is not None:
            unread |= {product for product, output in given(made).items() if output not in step.inputs}
    assert unread <= {*REPORTS, *NOT_TRANSLATED}


NOT_TRANSLATED = {
    "translations",
    "metadata",
    "pictures",
    "infographic",
    "image_prompts",
    "budget",
    "experiment_plan",
    "tracking_plan",
    "utm_parameters",
    "publishing_plan",
    "media_list",
    "influencer_criteria",
    "legal_findings",
    "required_disclosures",
    "quality_score",
    "alt_texts",
}


def test_what_no_agent_reads_is_a_product_or_is_listed_here() -> None:
    read = {item.name for spec in CATALOG.agents.values() for item in spec.inputs}
    products = {
        output for rule in CATALOG.rules.values() for p in (rule.deliverables or {}).values() for output in p.outputs
    }
    outputs = {output for spec in CATALOG.agents.values() for output in spec.outputs}
    assert outputs - read - products == set()


def test_every_rule_names_its_products() -> None:
    assert [name for name, rule in CATALOG.rules.items() if rule.deliverables is None] == []


def stand_ins(made: ExecutionPlan, failing: str = "") -> dict[str, Any]:
    """Give a body for each agent of a plan that gives its outputs' names; ``failing`` names an agent that fails."""

    def body(agent: str, outputs: tuple[str, ...]) -> Any:
        def work(inputs: dict[str, Any]) -> dict[str, str]:  # noqa: ARG001  # a body takes its inputs
            if agent == failing:
                raise TypeError("no such style")
            return {output: f"<{output}>" for output in outputs}

        return work

    return {step.agent: body(step.agent, step.outputs) for step in made.steps}


@pytest.mark.parametrize("kind", [(rule.when.campaign_type or ("",))[0] for rule in RULES_BY_TYPE])
def test_a_run_gives_the_products_of_its_type(kind: str) -> None:
    made = plan(type=kind)
    result = compile_plan(made, stand_ins(made)).invoke({"campaign": {"type": kind}})["result"]
    assert (result["status"], result["missing"]) == ("completed", [])
    assert result["deliverables"] == {product: f"<{output}>" for product, output in given(made).items()}


def test_without_its_editor_a_text_is_given_as_a_draft_and_pictures_are_not_missed() -> None:
    made = plan(type="product_launch")
    for failing in ("press_release_editor", "image"):
        result = compile_plan(made, stand_ins(made, failing)).invoke({"campaign": {"type": "product_launch"}})["result"]
        assert result["missing"] == []
        assert result["deliverables"]["press_release"] == {"image": "<final_press_release>"}.get(
            failing, "<press_release>"
        )
        assert ("pictures" in result["deliverables"]) is (failing != "image")
        assert result["status"] == "partial_success"  # what failed touched a product
