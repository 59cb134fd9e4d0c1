"""What a rerun or a resumed run would do is known before it does anything."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from planner_graph import Campaign, CampaignOrchestrator, MasterPlanner
from planner_graph.cli import rehearsal
from planner_graph.errors import InvalidInputError, RunNotResumableError
from planner_graph.runtime.rehearsal import of_new_run, of_resume
from planner_graph.types import AgentName, Effects
from tests.catalogs import catalog, spec

TEAM = (
    spec("reader", effects="none"),
    spec("writer", after=["reader"]),
    spec("mailer", after=["writer"], effects="external"),
    spec("flaky", max_retries=0, gives=["x"], fallback="spare", effects="external"),
    spec("spare", gives=["x"]),
)
NAMES = ["reader", "writer", "mailer", "flaky"]


def office(database, *, asks=False):
    """Give an orchestrator whose flaky agent fails, and whose mailer, if it ``asks``, waits for approval."""
    team = [*TEAM]
    if asks:
        team[2] = spec("mailer", after=["writer"], effects="external", approval="required")

    async def work(_):
        return "done"

    async def fail(_):
        raise ValueError("no")

    bodies: dict[str, Any] = {one.name: fail if one.name == "flaky" else work for one in team}
    planner = MasterPlanner(catalog(*team, select={"all": NAMES}))
    return CampaignOrchestrator(database, bodies, planner=planner)


async def run_of(database, **options):
    orchestrator = office(database, **options)
    return orchestrator, await orchestrator.run(Campaign(id="c", type="all"))


async def test_a_rerun_says_what_runs_what_is_kept_and_which_effects_happen_again(database):
    orchestrator, first = await run_of(database)
    found = await orchestrator.preview_rerun(first.run_id, "writer")
    assert found.runs == {"writer": "it was asked to", "mailer": "'writer' runs again"}
    assert found.kept == {
        "reader": "completed",
        "flaky": "it failed, and 'spare' made up for it",
        "spare": "completed",
    }
    told = {effect.agent: (effect.effects, effect.again, effect.same_key) for effect in found.effects}
    assert told == {"writer": (Effects.IDEMPOTENT, True, False), "mailer": (Effects.EXTERNAL, True, False)}
    assert found.external_again == ("mailer",)
    assert (await orchestrator.preview_rerun(first.run_id, "spare")).external_again == ()
    assert (await orchestrator.preview_rerun(first.run_id, "flaky")).external_again == ("flaky",)


async def test_an_agent_that_was_only_asked_about_has_changed_nothing_yet(database):
    orchestrator, paused = await run_of(database, asks=True)
    assert paused.status == "paused"
    found = await of_resume(database, paused.run_id)
    assert found.runs == {"mailer": "it has not started"}
    assert found.external_again == ()
    assert (await orchestrator.preview_rerun(paused.run_id, "reader")).external_again == ()


async def test_a_run_that_has_not_begun_runs_all_and_one_that_has_ended_nothing(database):
    orchestrator = office(database)
    run_id, plan = await orchestrator.accept(Campaign(id="c", type="all"))
    found = await of_resume(database, run_id)
    assert list(found.runs) == list(plan.by_agent)
    assert not any(effect.again for effect in found.effects)
    await orchestrator.execute(run_id)
    with pytest.raises(RunNotResumableError):
        await of_resume(database, run_id)


async def test_another_plan_says_what_it_changes(database):
    orchestrator, paused = await run_of(database, asks=True)
    same = await orchestrator.preview_replan(paused.run_id)
    assert (same.differences, list(same.runs)) == ((), ["mailer"])
    changed = Campaign(id="c", type="all", configuration={"writer": {"tone": "dry"}})
    found = await orchestrator.preview_replan(paused.run_id, changed)
    assert found.runs == {"writer": "its configuration changed", "mailer": "it has not started"}
    assert any("tone" in line for line in found.differences)
    told = {effect.agent: (effect.again, effect.same_key) for effect in found.effects}
    assert told == {"writer": (True, True), "mailer": (False, False)}
    assert (await orchestrator.repository.get_run(paused.run_id)).plan_revision == 1


def test_a_new_run_runs_fallbacks_only_if_they_are_needed():
    plan = MasterPlanner(catalog(*TEAM, select={"all": NAMES})).create_execution_plan(Campaign(id="c", type="all"))
    found = of_new_run(plan)
    assert found.runs[AgentName("spare")] == "only if 'flaky' fails"
    assert found.repeated == ()


@pytest.mark.parametrize(("answer", "repeats"), [("y\n", True), ("\n", False), ("n\n", False)])
async def test_a_user_at_a_terminal_is_asked(database, monkeypatch, capsys, answer, repeats):
    orchestrator, first = await run_of(database)
    found = await orchestrator.preview_rerun(first.run_id, "mailer")
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: answer == "y\n")
    monkeypatch.setattr(rehearsal, "sys", SimpleNamespace(stdin=Tty(), stderr=Tty()))
    assert await rehearsal.confirmed(found, yes=False) is repeats
    assert f"agent 'mailer' changed something outside of run {first.run_id}" in capsys.readouterr().err
    assert await rehearsal.confirmed(found, yes=True) is True


class Tty:
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


async def test_without_a_terminal_an_external_effect_is_not_repeated(database):
    orchestrator, first = await run_of(database)
    found = await orchestrator.preview_rerun(first.run_id, "mailer")
    assert not sys.stdin.isatty()
    with pytest.raises(InvalidInputError, match="add --yes to repeat that"):
        await rehearsal.confirmed(found, yes=False)
    kept = await orchestrator.preview_rerun(first.run_id, "spare")
    assert await rehearsal.confirmed(kept, yes=False) is True
