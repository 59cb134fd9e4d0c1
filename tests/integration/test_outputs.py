"""Outputs that JavaScript and PostgreSQL do not hold as they are: kept exactly for agents, and shown as documented."""

import pytest

from planner_graph import Campaign, CampaignOrchestrator, MasterPlanner, RunStatus, full_output, reconcile
from tests.catalogs import catalog, spec
from tests.equality import differences
from tests.mirrors import live

ODD = {"id": 1_234_567_890_123_456_789, "most": 2**64 - 1, "float": 1.2345678901234568e18, "huge": 1e30, "text": "a\0b"}
TEAM = (spec("a"), spec("b", needs=["a"]))


@pytest.mark.parametrize("strategy", ["sequential", "adaptive"])
async def test_odd_outputs_are_kept_exactly_and_shown_without_what_tables_cannot_hold(database, strategy):
    read = []

    def b(inputs):
        read.append(inputs["a"])
        return inputs["a"]

    planner = MasterPlanner(catalog(*TEAM))
    orchestrator = CampaignOrchestrator(database, {"a": lambda _: {"a": ODD}, "b": b}, planner=planner)
    first = await orchestrator.run(Campaign(type="all"), strategy=strategy)
    assert first.status is RunStatus.COMPLETED
    assert repr((await full_output(database, first.run_id, "b"))["b"]) == repr(ODD)
    shown = (await live(database, first.run_id))["intermediate_outputs"]["a"]["a"]
    assert shown == {**ODD, "text": "a\N{REPLACEMENT CHARACTER}b", "huge": 10**30, "float": 1234567890123456800}
    assert not await differences(database, first.run_id)
    assert not (await reconcile(database, first.run_id)).differences
    begun = await orchestrator.rerun(first.run_id, "b")
    assert (await orchestrator.execute(begun.run_id)).status is RunStatus.COMPLETED
    assert [repr(value) for value in read] == [repr(ODD)] * 2
    assert not await differences(database, begun.run_id)


async def test_a_warning_is_in_the_log_of_the_run(database):
    planner = MasterPlanner(catalog(spec("user")))
    orchestrator = CampaignOrchestrator(database, {"user": lambda _: {"user": "ann", "age": 3}}, planner=planner)
    ended = await orchestrator.run(Campaign(type="all"))
    found = [event for event in await orchestrator.repository.events(ended.run_id) if event.event == "agent_warning"]
    assert [(event.agent_name, event.data["code"]) for event in found] == [("user", "extra_outputs")]
    assert not await differences(database, ended.run_id)
