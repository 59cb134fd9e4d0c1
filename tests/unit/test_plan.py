"""The plan as a value: its bytes, its hash, what is derived from it."""

import hashlib
import json
from typing import Any

import pytest

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.errors import StoredPlanError
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from tests.catalogs import spec
from tests.fakes import planned
from tests.plans import BLOG, make_plan

PLAN = make_plan(BLOG)


def refusal(text):
    with pytest.raises(StoredPlanError) as caught:
        ExecutionPlan.from_json(text)
    return str(caught.value)


def edited(**fields):
    return json.dumps({**json.loads(PLAN.canonical_json()), **fields})


def test_a_plan_reads_back_as_it_was_written():
    plan = ExecutionPlan.from_json(PLAN.canonical_json())
    assert (plan, plan.hash, plan.canonical_json()) == (PLAN, PLAN.hash, PLAN.canonical_json())


def test_a_real_plan_reads_back_too():
    campaign = Campaign(type="integrated_campaign", configuration={"writer": {"tone": ["dry", 1.0, None, "ü\n"]}})
    plan = MasterPlanner(Catalog.builtin()).create_execution_plan(campaign)
    assert ExecutionPlan.from_json(plan.canonical_json()) == plan


def test_the_hash_is_the_sha_256_of_the_canonical_bytes():
    assert PLAN.hash == hashlib.sha256(PLAN.canonical_json()).hexdigest()


def test_canonical_json_has_sorted_keys_and_no_spaces():
    text = PLAN.canonical_json().decode()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_plan_says_in_which_form_it_is_written():
    assert json.loads(PLAN.canonical_json())["schema_version"] == 1


def test_the_order_of_keys_in_the_text_does_not_matter():
    shuffled = json.dumps(dict(reversed(json.loads(PLAN.canonical_json()).items())), indent=2)
    assert ExecutionPlan.from_json(shuffled).hash == PLAN.hash


def test_a_plan_knows_nothing_of_when_it_was_made():
    assert make_plan(BLOG).hash == PLAN.hash


@pytest.mark.parametrize("deep", [False, True])
def test_a_changed_copy_has_its_own_hash(deep):
    assert PLAN.hash
    assert PLAN.by_agent
    changed = PLAN.model_copy(update={"campaign_id": "other", "steps": PLAN.steps[:1]}, deep=deep)
    assert changed.hash != PLAN.hash
    assert list(changed.by_agent) == ["planner"]
    assert PLAN.model_copy(deep=deep).hash == PLAN.hash


def test_asking_for_the_hash_changes_nothing():
    asked, other = make_plan(BLOG), make_plan(BLOG)
    assert asked.hash
    assert asked == other
    assert asked.model_dump() == other.model_dump()


def test_mappings_stand_in_the_order_of_their_names():
    plan = PLAN.model_validate({**PLAN.model_dump(), "deliverables": {"z": "writer", "a": "editor"}})
    assert list(plan.deliverables) == ["a", "z"]


def test_steps_are_found_by_agent():
    assert PLAN.by_agent["writer"] is PLAN.steps[2]  # type: ignore[index]  # the name as a test writes it


def test_groups_are_found_by_id():
    assert PLAN.parallel_groups == {3: ("editor", "image"), 4: ("seo", "social_media")}


def test_an_agent_waits_for_all_but_its_optional_dependencies():
    kinds = {("d", "b"): "soft", ("d", "c"): "optional"}
    plan = make_plan({"a": [], "b": [], "c": [], "d": ["a", "b", "c"]}, kinds=kinds)
    assert plan.steps[-1].waits_for == ("a", "b")


@pytest.mark.parametrize(
    ("predicted", "buffer", "minutes"),
    [(0, 300, 5), (59, 300, 5), (60, 300, 6), (119.9, 300, 6), (90, 90, 3), (30, 0, 0)],
)
def test_the_expected_duration_is_makespan_and_buffer_in_whole_minutes(predicted, buffer, minutes):
    duration = PLAN.duration.model_copy(update={"predicted": predicted, "buffer": buffer})
    assert PLAN.model_copy(update={"duration": duration}).estimated_duration_minutes == minutes


@pytest.mark.parametrize("text", ["", "{", "\xff", "[" * 100_000])
def test_text_that_is_no_json_is_refused(text):
    assert refusal(text).startswith("stored plan has 1 problem:\n  not valid JSON: ")


@pytest.mark.parametrize("text", ["[]", "null", "{}", '"plan"'])
def test_json_that_is_no_plan_is_refused(text):
    assert refusal(text) == (
        "stored plan has 1 problem:\n"
        "  schema_version: the plan is of version None, this program reads version 1; "
        "use the planner-graph that wrote it, or plan the campaign anew"
    )


def test_a_plan_of_a_later_form_is_refused_for_that_alone():
    assert refusal(edited(schema_version=2, novelty=True)) == (
        "stored plan has 1 problem:\n"
        "  schema_version: the plan is of version 2, this program reads version 1; "
        "use the planner-graph that wrote it, or plan the campaign anew"
    )


def test_a_damaged_plan_is_refused_with_everything_that_is_wrong():
    step = {**json.loads(PLAN.canonical_json())["steps"][0], "order": "first"}
    del step["level"]
    assert refusal(edited(steps=[step], strategy="fast")) == (
        "stored plan has 3 problems:\n"
        "  strategy: Input should be 'sequential', 'parallel' or 'adaptive'; plan the campaign anew\n"
        "  steps.0.order: Input should be a valid integer, unable to parse string as an integer; "
        "plan the campaign anew\n"
        "  steps.0.level: Field required; plan the campaign anew"
    )


def test_what_a_catalog_leaves_at_its_default_is_not_in_the_bytes_of_a_plan():
    """So plans that do not use what was added later keep the hashes that their checkpoints are pinned to."""
    added: dict[str, Any] = {
        "total_timeout_seconds": 9.0,
        "retry_on": ["KeyError"],
        "do_not_retry": ["OSError"],
        "isolation": "process",
        "approval": "required",
        "effects": "external",
    }
    without, with_them = planned(spec("a")), planned(spec("a", **added))
    (plain,), (full,) = (json.loads(plan.canonical_json())["steps"] for plan in (without, with_them))
    assert added.keys().isdisjoint(plain)
    assert {**plain, **added} == full
    assert type(with_them).from_json(with_them.canonical_json()) == with_them
