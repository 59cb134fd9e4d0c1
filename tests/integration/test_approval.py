"""People answer agents that ask, from any process, at any time; whoever executes the run goes on with that."""

import asyncio
import functools
from collections import Counter
from itertools import permutations

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from planner_graph import AgentFactory, Campaign, CampaignOrchestrator, Catalog, MasterPlanner, RunStatus, agent
from planner_graph.errors import AnswerRefusedError, RunEndedError, RunNotFoundError
from planner_graph.mirror.checkpoint import read_checkpoint
from planner_graph.mirror.reading import get_workflow_progress
from planner_graph.mirror.reconcile import reconcile
from planner_graph.store import leases
from planner_graph.store.repository import Repository
from tests.team import Orchestrated, Team

STRATEGIES = ("sequential", "parallel", "adaptive")


async def asked(database, run_id, *agents):
    """Wait until these agents, and no others, ask."""
    async with asyncio.timeout(10):
        while {question.agent for question in (await read_checkpoint(database, run_id)).questions} != set(agents):  # noqa: ASYNC110  # stored, not told
            await asyncio.sleep(0.01)


def of_one(*bodies):
    """Give an orchestrator's arguments for a run of these agents."""
    return AgentFactory.of(*bodies), MasterPlanner(Catalog.of(*bodies))


async def outputs(database, run_id):
    return {name: record["output"] for name, record in (await read_checkpoint(database, run_id)).records.items()}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("order", list(permutations(["facts", "draft"])), ids=" then ".join)
async def test_two_agents_that_ask_are_answered_in_any_order(database, strategy, order):
    team = Team(asking=("facts", "draft"))
    played = Orchestrated(database, team, strategy)
    run_id = await played.accept()
    outcome = await played.orchestrator().execute(run_id)
    pauses = 0
    while outcome.status is RunStatus.PAUSED:
        pauses += 1
        questions = {question.agent for question in (await read_checkpoint(database, run_id)).questions}
        for name in order:
            if name in questions:
                await played.orchestrator().answer(run_id, name, f"said of {name}", by="ann")
        outcome = await played.orchestrator().resume(run_id)

    assert outcome.status is RunStatus.COMPLETED
    assert pauses == (2 if strategy == "sequential" else 1)
    given = await outputs(database, run_id)
    assert (given["facts"], given["draft"]) == ({"sources": "said of facts"}, {"draft": "said of draft"})
    assert Counter(team.calls) == {"brief": 1, "facts": 2, "draft": 2, "edit": 1, "publish": 1}


@pytest.mark.parametrize("strategy", ["parallel", "adaptive"])
async def test_one_is_answered_before_the_pause_and_one_after_it(database, strategy):
    team = Team(asking=("facts", "draft"))
    team.shut("draft")
    played = Orchestrated(database, team, strategy)
    run_id = await played.accept()
    running = asyncio.create_task(played.orchestrator().execute(run_id))
    await team.arrived["draft"].wait()
    await asked(database, run_id, "facts")

    early = await played.orchestrator().answer(run_id, "facts", "early", by="ann")
    team.gates["draft"].set()
    paused = await running
    late = await played.orchestrator().answer(run_id, "draft", "late", by="bob")
    outcome = await played.orchestrator().resume(run_id)

    assert (paused.status, paused.reason) == (RunStatus.PAUSED, "waiting for an answer to: draft")
    assert early.holder is not None
    assert late.holder is None
    assert outcome.status is RunStatus.COMPLETED
    given = await outputs(database, run_id)
    assert (given["facts"], given["draft"]) == ({"sources": "early"}, {"draft": "late"})


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_an_answer_while_others_run_lets_the_same_process_go_on_without_a_pause(database, strategy):
    last = "facts" if strategy == "sequential" else "draft"
    team = Team(asking=("facts",))
    team.shut(last)
    played = Orchestrated(database, team, strategy)
    run_id = await played.accept()
    if strategy == "sequential":
        paused = await ask_first(played, team)
        assert paused.status is RunStatus.PAUSED
        await played.orchestrator().answer(run_id, "facts", "yes", by="ann")
        outcome = await played.orchestrator().resume(run_id)
    else:
        running = asyncio.create_task(played.orchestrator().execute(run_id))
        await team.arrived[last].wait()
        await asked(database, run_id, "facts")
        await played.orchestrator().answer(run_id, "facts", "yes", by="ann")
        team.gates[last].set()
        outcome = await running

    assert outcome.status is RunStatus.COMPLETED
    assert (await outputs(database, run_id))["facts"] == {"sources": "yes"}
    assert Counter(team.calls)["draft"] == 1
    events = [row.event for row in await Repository(database).events(run_id)]
    assert ("run_paused" in events) is (strategy == "sequential")


async def ask_first(played, team):
    for gate in team.gates.values():
        gate.set()
    return await played.orchestrator().execute(played.run_id)


async def test_an_answer_is_kept_with_who_when_and_why_and_is_in_the_log(database):
    played, run_id = await paused(database, "facts")

    answered = await played.orchestrator().answer(run_id, "facts", {"ok": [1e30, None]}, by="ann", reason="fine\0")

    kept = (await Repository(database).answers(run_id))[answered.answer.interrupt_id]
    assert (kept.agent, kept.value, kept.by, kept.reason) == (
        "facts",
        {"ok": [1e30, None]},
        "ann",
        "fine\N{REPLACEMENT CHARACTER}",
    )
    assert kept.taken_at is None
    event = (await Repository(database).events(run_id))[-1]
    assert (event.event, event.agent_name) == ("agent_answered", "facts")
    assert (event.data["by"], event.data["answer"]["ok"][1], event.data["id"]) == ("ann", None, kept.interrupt_id)
    await played.orchestrator().resume(run_id)
    assert (await Repository(database).answers(run_id))[kept.interrupt_id].taken_at is not None
    assert (await outputs(database, run_id))["facts"] == {"sources": {"ok": [1e30, None]}}


async def paused(database, *asking, strategy="adaptive"):
    played = Orchestrated(database, Team(asking=asking), strategy)
    run_id = await played.accept()
    assert (await played.orchestrator().execute(run_id)).status is RunStatus.PAUSED
    return played, run_id


async def test_the_same_answer_twice_changes_nothing_and_another_one_replaces_it_until_it_is_used(database):
    played, run_id = await paused(database, "facts", "draft")
    orchestrator, repository = played.orchestrator(), Repository(database)

    first = await orchestrator.answer(run_id, "facts", value=True, by="ann")
    count = len(await repository.events(run_id))
    again = await orchestrator.answer(run_id, "facts", value=True, by="bob")
    unchanged = len(await repository.events(run_id))
    replaced = await orchestrator.answer(run_id, "facts", value=1, by="bob")

    assert (first.changed, again.changed, replaced.changed) == (True, False, True)
    assert again.answer.by == "ann"
    assert unchanged == count
    assert (await repository.events(run_id))[-1].data["replaces"] is True
    outcome = await orchestrator.resume(run_id)
    assert outcome.reason == "waiting for an answer to: draft"
    assert (await outputs(database, run_id))["facts"] == {"sources": 1}


async def test_an_answer_that_a_run_goes_on_with_is_not_replaced_any_more(database):
    team = Team(asking=("facts",))
    played = Orchestrated(database, team, "adaptive")
    run_id = await played.accept()
    await played.orchestrator().execute(run_id)
    await played.orchestrator().answer(run_id, "facts", "yes", by="ann")
    team.shut("facts")
    running = asyncio.create_task(played.orchestrator().resume(run_id))
    await team.arrived["facts"].wait()

    same = await played.orchestrator().answer(run_id, "facts", "yes", by="bob")
    with pytest.raises(AnswerRefusedError, match='ann has answered "yes" already, and the run goes on with that'):
        await played.orchestrator().answer(run_id, "facts", "no", by="bob")
    team.gates["facts"].set()

    assert same.changed is False
    assert (await running).status is RunStatus.COMPLETED
    assert (await outputs(database, run_id))["facts"] == {"sources": "yes"}


async def test_an_answer_taken_by_a_process_that_died_is_used_by_the_next_one(database):
    team = Team(asking=("facts",))
    played = Orchestrated(database, team, "adaptive")
    run_id = await played.accept()
    await played.orchestrator().execute(run_id)
    await played.orchestrator().answer(run_id, "facts", "yes", by="ann")
    team.shut("facts")
    running = asyncio.create_task(played.orchestrator().resume(run_id))
    await team.arrived["facts"].wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    team.gates["facts"].set()

    outcome = await played.orchestrator().resume(run_id)

    assert outcome.status is RunStatus.COMPLETED
    assert (await outputs(database, run_id))["facts"] == {"sources": "yes"}


async def test_a_second_question_is_not_answered_by_the_answer_to_the_first(database):
    @agent(outputs=["decision"])
    async def reviewer(_):
        return [interrupt("sure?"), interrupt("really?")]

    factory, planner = of_one(reviewer)
    orchestrator = CampaignOrchestrator(database, factory, planner=planner)
    first = await orchestrator.run(Campaign(deliverables=("decision",)))
    await orchestrator.answer(first.run_id, "reviewer", "yes", by="ann")
    second = await orchestrator.resume(first.run_id)
    question = (await read_checkpoint(database, first.run_id)).questions
    idle = await orchestrator.resume(first.run_id)
    await orchestrator.answer(first.run_id, "reviewer", "no doubt", by="ann")
    third = await orchestrator.resume(first.run_id)

    assert (second.status, [asked.value for asked in question]) == (RunStatus.PAUSED, ["really?"])
    assert idle.status is RunStatus.PAUSED
    assert third.result is not None
    assert third.result["deliverables"] == {"decision": ["yes", "no doubt"]}


class Review(TypedDict, total=False):
    left: str
    right: str


async def test_questions_that_an_agent_asks_at_the_same_time_are_answered_by_their_ids(database):
    graph = StateGraph(Review)
    for name in ("left", "right"):
        graph.add_node(f"{name}_one", lambda _, name=name: {name: interrupt(f"{name}?")})
        graph.add_edge(START, f"{name}_one")
        graph.add_edge(f"{name}_one", END)
    catalog = Catalog.of(agent(name="reviewer", outputs=["left", "right"])(lambda _: None))
    orchestrator = CampaignOrchestrator(database, {"reviewer": graph.compile()}, planner=MasterPlanner(catalog))
    run_id = (await orchestrator.run(Campaign(deliverables=("left",)))).run_id

    with pytest.raises(AnswerRefusedError, match="it asks 2 questions at a time; name one of its questions") as refused:
        await orchestrator.answer(run_id, "reviewer", "yes", by="ann")
    ids = {asked.value: asked.id for asked in (await read_checkpoint(database, run_id)).questions}
    for value, number in ids.items():
        assert f"{number} ({value})" in str(refused.value)
        await orchestrator.answer(run_id, "reviewer", f"yes, {value}", by="ann", question=number)
    outcome = await orchestrator.resume(run_id)

    assert outcome.status is RunStatus.COMPLETED
    assert (await outputs(database, run_id))["reviewer"] == {"left": "yes, left?", "right": "yes, right?"}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("fcats", "the run has no such agent; did you mean 'facts'?"),
        ("quux", "the run has no such agent; who asks: facts"),
        ("brief", "it asks nothing any more, it has ended as 'completed'; who asks: facts"),
        ("edit", "it asks nothing; who asks: facts"),
    ],
)
async def test_an_answer_that_nobody_asked_for_is_refused(database, name, problem):
    played, run_id = await paused(database, "facts")
    with pytest.raises(AnswerRefusedError) as refused:
        await played.orchestrator().answer(run_id, name, "yes", by="ann")
    assert str(refused.value) == f"cannot answer agent {name!r} of run {run_id}: {problem}"
    assert await Repository(database).answers(run_id) == {}


async def test_an_answer_to_a_run_that_has_ended_or_never_was_is_refused(database):
    played, run_id = await paused(database, "facts")
    with pytest.raises(AnswerRefusedError, match="it does not ask 'ffff'; name one of its questions: "):
        await played.orchestrator().answer(run_id, "facts", "yes", by="ann", question="ffff")
    await played.orchestrator().cancel(run_id)
    with pytest.raises(RunEndedError, match="has ended as 'cancelled'"):
        await played.orchestrator().answer(run_id, "facts", "yes", by="ann")
    with pytest.raises(RunNotFoundError, match="no run 'ffffffff'"):
        await played.orchestrator().answer("ffffffff", "facts", "yes", by="ann")


async def test_a_run_asked_to_pause_pauses_though_there_is_an_answer(database):
    team = Team(asking=("facts",))
    team.shut("draft")
    played = Orchestrated(database, team, "adaptive")
    run_id = await played.accept()
    running = asyncio.create_task(played.orchestrator().execute(run_id))
    await team.arrived["draft"].wait()
    await asked(database, run_id, "facts")
    await played.orchestrator().answer(run_id, "facts", "yes", by="ann")
    await played.orchestrator().pause(run_id, by="bob")
    team.gates["draft"].set()

    stopped = await running
    assert stopped.status is RunStatus.PAUSED
    assert Counter(team.calls)["facts"] == 1
    assert (await played.orchestrator().resume(run_id)).status is RunStatus.COMPLETED


async def test_a_run_that_is_cancelled_while_it_is_about_to_wait_ends_as_cancelled(database):
    team = Team(asking=("facts",))
    team.shut("draft")
    played = Orchestrated(database, team, "adaptive")
    run_id = await played.accept()
    running = asyncio.create_task(played.orchestrator().execute(run_id))
    await team.arrived["draft"].wait()
    await asked(database, run_id, "facts")
    await played.orchestrator().cancel(run_id, by="bob")
    team.gates["draft"].set()

    assert (await running).status is RunStatus.CANCELLED


async def test_who_executes_a_run_pauses_it_or_finds_the_answer_but_never_misses_one(database):
    played, run_id = await paused(database, "facts")
    [question] = (await read_checkpoint(database, run_id)).questions
    repository = Repository(database)
    async with database.pool.connection() as conn:
        lease = await leases.acquire(conn, run_id)
        await repository.start_run(run_id, token=lease.token)
        look = functools.partial(repository.take_or_pause, run_id, [question.id], "it asks", token=lease.token)

        nothing = await look(known=())
        await repository.start_run(run_id, token=lease.token)
        await played.orchestrator().answer(run_id, "facts", "yes", by="ann")
        status, found = await look(known=())
        going_on = (await repository.get_run(run_id)).status
        once_more = await look(known=(question.id,))
        paused_once = await look(known=())

    assert nothing == (RunStatus.PAUSED, {})
    assert (status, found[question.id].value, going_on) == (RunStatus.RUNNING, "yes", RunStatus.RUNNING)
    assert once_more == paused_once == (RunStatus.PAUSED, {})


def gated(*, strategy="adaptive"):
    """Give the arguments of an orchestrator for a publisher who must be approved, and the calls there were."""
    calls = []

    @agent(outputs=["post"])
    async def writer(_):
        calls.append("writer")
        return "a post"

    @agent(inputs=["post"], outputs=["page"], approval="required")
    async def publisher(inputs):
        calls.append("publisher")
        return {"page": f"<p>{inputs['post']}</p>"}

    @agent(inputs=["page"], outputs=["news"])
    async def mailer(_):
        calls.append("mailer")
        return "news"

    factory, planner = of_one(writer, publisher, mailer)
    return factory, planner, Campaign(deliverables=("news", "post"), strategy=strategy), calls


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("approved", [True, False], ids=["approved", "rejected"])
async def test_an_agent_that_must_be_approved_runs_or_is_skipped_as_people_say(database, strategy, approved):
    factory, planner, campaign, calls = gated(strategy=strategy)
    orchestrator = CampaignOrchestrator(database, factory, planner=planner)
    first = await orchestrator.run(campaign)
    before = list(calls)
    await orchestrator.answer(first.run_id, "publisher", approved, by="ann", reason="it says so")
    outcome = await orchestrator.resume(first.run_id)

    assert (first.reason, before) == ("waiting for an answer to: publisher", ["writer"])
    assert (outcome.status, outcome.mirror.missing) == (RunStatus.COMPLETED, 0)
    assert outcome.result is not None
    told = {str(row.agent_name): row.reason for row in await Repository(database).agent_runs(first.run_id)}
    if approved:
        assert calls == ["writer", "publisher", "mailer"]
        assert outcome.result["missing"] == []
    else:
        assert calls == ["writer"]
        assert (outcome.result["missing"], outcome.result["excused"]) == ([], ["news"])
        assert told["publisher"] == "rejected by ann: it says so"
        assert told["mailer"] == "hard dependency 'publisher' was skipped: rejected by ann: it says so"
        report = await get_workflow_progress(database, first.run_id)
        assert report["agents_status"]["skipped"] == ["publisher", "mailer"]
    assert (await reconcile(database, first.run_id)).differences == ()


async def test_an_approval_is_given_or_not_and_nothing_else(database):
    factory, planner, campaign, _ = gated()
    orchestrator = CampaignOrchestrator(database, factory, planner=planner)
    run_id = (await orchestrator.run(campaign)).run_id
    with pytest.raises(AnswerRefusedError, match=r"it only asks to be approved, .*; leave --answer out, or reject it"):
        await orchestrator.answer(run_id, "publisher", "yes", by="ann")
    await orchestrator.answer(run_id, "publisher", value=False, by="ann")
    assert (await orchestrator.answer(run_id, "publisher", value=True, by="bob")).changed
    result = (await orchestrator.resume(run_id)).result
    assert result is not None
    assert result["missing"] == []


async def test_a_process_that_is_told_to_pause_its_runs_leaves_answers_to_the_next_one(database):
    arrived, gate = asyncio.Event(), asyncio.Event()

    @agent(outputs=["decision"])
    async def reviewer(_):
        return interrupt("publish?")

    @agent(outputs=["film"])
    async def filmer(_):
        arrived.set()
        await gate.wait()
        return "film"

    factory, planner = of_one(reviewer, filmer)
    orchestrator = CampaignOrchestrator(database, factory, planner=planner)
    run_id, _ = await orchestrator.accept(Campaign(deliverables=("decision", "film")))
    running = asyncio.create_task(orchestrator.execute(run_id))
    await arrived.wait()
    await asked(database, run_id, "reviewer")
    answered = await orchestrator.answer(run_id, "reviewer", "yes", by="ann")
    orchestrator.pause_all("the lights go out")
    gate.set()

    assert (await running).reason == "the lights go out"
    assert (await Repository(database).answers(run_id))[answered.answer.interrupt_id].taken_at is None
    assert (await orchestrator.resume(run_id)).status is RunStatus.COMPLETED
