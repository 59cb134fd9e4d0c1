"""Who runs and how a run ends, held against small models that try everything."""

from collections.abc import Iterator
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from planner_graph.catalog.rule import Rule
from planner_graph.compiler.outcome import build_result
from planner_graph.planning.contents import Product, Step
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner
from planner_graph.types import AgentName, DependencyKind
from tests.property.dags import Wish, bounded, plannable_wishes, wishes

Records = dict[str, Any]

STATUSES = st.sampled_from(["completed", "completed", "failed", "rejected"])


def planned(wish: Wish) -> ExecutionPlan:
    return MasterPlanner(wish.catalog).create_execution_plan(wish.asked())


def applying(wish: Wish) -> list[Rule]:
    return [rule for rule in wish.catalog.rules.values() if wish.asked().type in (rule.when.campaign_type or ())]


def wanted_outputs(plan: ExecutionPlan) -> set[str]:
    """Give the outputs that products ask for and the campaign does not provide."""
    return {output for product in plan.products for output, source in product.sources.items() if source != "campaign"}


def required_by(agent: AgentName, reader: AgentName, wish: Wish) -> set[str]:
    outputs = wish.catalog.agents[agent].outputs
    return {item.name for item in wish.catalog.agents[reader].inputs if item.required and item.name in outputs}


@bounded
@given(plannable_wishes())
def test_hard_dependencies_are_selected_unless_provided_or_left_out(wish):
    plan, provided = planned(wish), wish.asked().provided
    without = {name for rule in applying(wish) for name in rule.without}
    for step in plan.steps:
        for edge in wish.catalog.agents[step.agent].dependencies:
            if edge.kind is not DependencyKind.HARD or edge.agent in plan.by_agent:
                continue
            required = required_by(edge.agent, step.agent, wish)
            is_read_and_provided = bool(required) and required <= provided.keys()
            gives_nothing_new = set(wish.catalog.agents[edge.agent].outputs) <= provided.keys()
            event("a hard dependency is not selected")
            assert is_read_and_provided or gives_nothing_new or edge.agent in without


@bounded
@given(plannable_wishes())
def test_an_agent_of_which_all_that_is_needed_is_provided_does_not_run(wish):
    plan, provided = planned(wish), wish.asked().provided
    for step in plan.steps:
        required = {name for reader in plan.by_agent for name in required_by(step.agent, reader, wish)}
        asked = wanted_outputs(plan) & set(step.outputs)
        is_depended_on = any(
            edge.agent == step.agent and edge.kind is DependencyKind.HARD and not required_by(step.agent, other, wish)
            for other in plan.by_agent
            for edge in wish.catalog.agents[other].dependencies
        )
        if required and required <= provided.keys():
            event("all that is required of it is provided")
            assert asked or is_depended_on


@bounded
@given(plannable_wishes())
def test_whatever_runs_serves_something(wish):
    plan, selected = planned(wish), {name for rule in applying(wish) for name in rule.select}
    for step in plan.steps:
        serves = wanted_outputs(plan) & set(step.outputs)
        readers = [
            other for other, after in plan.by_agent.items() if step.agent in {edge.agent for edge in after.dependencies}
        ]
        event("nothing reads it" if not (serves or readers) else "it serves something")
        assert serves or readers or step.agent in selected


@bounded
@given(wishes())
def test_what_a_rule_selects_runs_unless_something_is_provided(wish):
    bare = Wish(agents=wish.agents, rules=wish.rules, campaign={**wish.campaign, "provided": {}})
    plan = planned(bare)
    assert {name for rule in applying(bare) for name in rule.select} <= set(plan.by_agent)


@bounded
@given(plannable_wishes(), st.data())
def test_the_result_is_that_of_a_model_which_follows_every_chain(wish, data):
    plan = planned(wish)
    records = ended(plan, data)
    found = build_result(plan, {"provided": wish.asked().provided}, records)
    model = {product.name: best(product, records) for product in plan.products}
    delivered = {name for name, output in model.items() if output is not None}
    absent = [product for product in plan.products if product.name not in delivered]
    excused = [product.name for product in absent if is_excused(product, records)]
    missing = [product for product in absent if product.required and product.name not in excused]
    assert (set(found["deliverables"]), found["outputs"]) == (delivered, {n: o for n, o in model.items() if o})
    assert (found["missing"], found["excused"]) == ([product.name for product in missing], excused)
    required = [product.name for product in plan.products if product.required]
    if missing and (delivered.isdisjoint(required) or any(product.main for product in missing)):
        status = "failed"
    elif missing or any(is_touched(product, model[product.name], plan, records) for product in plan.products):
        status = "partial_success"
    else:
        status = "completed"
    event(status)
    assert found["status"] == status


def ended(plan: ExecutionPlan, data: st.DataObject) -> Records:
    """Let the agents of a plan end in order, some badly; those that cannot do without them are skipped."""
    records: Records = {}
    for step in plan.steps:
        error = next(
            (
                cause(records[edge.agent])
                for edge in step.dependencies
                if edge.kind is DependencyKind.HARD and records[edge.agent]["status"] != "completed"
            ),
            None,
        )
        status = data.draw(STATUSES) if error is None else "skipped"
        if status == "rejected":
            status, error = "skipped", {"type": "Rejected", "message": "no"}
        output = {name: f"the {name}" for name in step.outputs} if status == "completed" else None
        records[step.agent] = {
            "status": status,
            "output": output,
            "error": error,
            "reason": None,
            "replaces": None,
            "attempts": 1,
            "started_at": None,
            "ended_at": "now",
            "usage": None,
        }
    return records


def cause(record: Records) -> Records:
    return record["error"] or {"type": "DependencyFailed", "message": "it failed"}


def best(product: Product, records: Records) -> str | None:
    for output in product.outputs:
        source = product.sources.get(output)
        if source == "campaign" or (source and records[source]["status"] == "completed"):
            return output
    return None


def is_lost(agent: str, records: Records) -> bool:
    record = records[agent]
    return bool(record["status"] != "completed" and cause(record)["type"] != "Rejected")


def is_excused(product: Product, records: Records) -> bool:
    agents = list(product.sources.values())
    return bool(agents) and not any(is_lost(agent, records) for agent in agents)


def is_touched(product: Product, output: str | None, plan: ExecutionPlan, records: Records) -> bool:
    better = product.outputs[: product.outputs.index(output)] if output else product.outputs
    if any(is_lost(product.sources[name], records) for name in better if name in product.sources):
        return True
    maker = product.sources.get(output) if output else None
    if maker is None or maker == "campaign":
        return False
    return any(is_lost(agent, records) for agent in origins(plan.by_agent[AgentName(maker)], plan, records))


def origins(step: Step, plan: ExecutionPlan, records: Records) -> Iterator[AgentName]:
    """Give every agent that an agent was made from, along each chain of agents that completed."""
    for edge in step.dependencies:
        if edge.via or edge.kind is DependencyKind.HARD:
            yield edge.agent
            if records[edge.agent]["status"] == "completed":
                yield from origins(plan.by_agent[edge.agent], plan, records)
