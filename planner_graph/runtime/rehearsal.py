"""What a run, a rerun or a resumed run would do, worked out without writing anything."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from planner_graph.compiler.events import ASKS
from planner_graph.mirror.checkpoint import CheckpointState, read_checkpoint
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.runtime.replanning import Proposal, differences_of, kept_under, require_open
from planner_graph.runtime.rerunning import Draft
from planner_graph.store.database import Database
from planner_graph.store.repository import Repository
from planner_graph.store.rows import AgentRunRow
from planner_graph.types import AgentName, AgentStatus, Effects, RunId


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What an agent that would run changes outside of the run.

    ``again``: it has run before, at least in part, so this would happen once more. ``same_key``: its idempotency key
    would be the one it had then.
    """

    agent: AgentName
    effects: Effects
    again: bool
    same_key: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """What would happen: the agents that would run and those that are kept, each with the reason in words.

    Both are in execution order. ``run_id`` is the run that would be resumed or of which a part would run again,
    ``None`` for a new one. ``differences`` are those of another plan, in words.
    """

    run_id: RunId | None
    plan: ExecutionPlan
    runs: Mapping[AgentName, str]
    kept: Mapping[AgentName, str]
    effects: tuple[Effect, ...]
    differences: tuple[str, ...] = ()

    @property
    def repeated(self) -> tuple[Effect, ...]:
        """Effects that would happen again."""
        return tuple(effect for effect in self.effects if effect.again)

    @property
    def external_again(self) -> tuple[AgentName, ...]:
        """Agents whose external effects would happen again; that is confirmed first."""
        return tuple(effect.agent for effect in self.repeated if effect.effects is Effects.EXTERNAL)


def of_new_run(plan: ExecutionPlan) -> Rehearsal:
    """Return what a new run of ``plan`` would do: everything, but for fallbacks, which run only if they are needed."""
    runs = {
        step.agent: f"only if {step.replaces!r} fails" if step.replaces else "; ".join(step.reasons)
        for step in plan.steps
    }
    return Rehearsal(
        run_id=None, plan=plan, runs=runs, kept={}, effects=_effects(plan, runs, frozenset(), new_key=True)
    )


async def of_rerun(database: Database, draft: Draft) -> Rehearsal:
    """Return what a rerun would do; as a new run, it gives all keys anew."""
    state, keeping = draft.state, draft.keeping
    begun = _begun(state, await Repository(database).agent_runs(state.run_id))
    runs = {agent: keeping.again.get(agent, "it had not ended") for agent in draft.plan.by_agent}
    runs = {agent: why for agent, why in runs.items() if agent not in keeping.kept}
    return Rehearsal(
        run_id=state.run_id,
        plan=draft.plan,
        runs=runs,
        kept=_kept(state, keeping.kept),
        effects=_effects(draft.plan, runs, begun, new_key=True),
    )


async def of_resume(database: Database, run_id: RunId) -> Rehearsal:
    """Return what a run would do if it were resumed under the plan that it has.

    Raises:
        RunNotFoundError: there is no such run.
        RunNotResumableError: it has ended.
        CommandRefusedError: it is being cancelled.
    """
    repository = Repository(database)
    row = await repository.get_run(run_id)
    require_open(row)
    state = await read_checkpoint(database, row.run_id)
    begun = _begun(state, await repository.agent_runs(row.run_id))
    runs = {agent: _why_open(agent, begun) for agent in state.plan.by_agent if agent not in state.records}
    return Rehearsal(
        run_id=row.run_id,
        plan=state.plan,
        runs=runs,
        kept=_kept(state, state.records),
        effects=_effects(state.plan, runs, begun, new_key=False),
    )


async def of_replan(database: Database, proposal: Proposal) -> Rehearsal:
    """Return what a run would do if it were resumed under another plan; see :func:`of_resume`."""
    if not proposal.what_matters:
        return await of_resume(database, proposal.row.run_id)
    require_open(proposal.row)
    state = await read_checkpoint(database, proposal.row.run_id)
    keeping = kept_under(proposal, state)
    begun = _begun(state, await Repository(database).agent_runs(state.run_id))
    runs = {
        agent: keeping.again.get(agent) or _why_open(agent, begun)
        for agent in proposal.plan.by_agent
        if agent not in keeping.kept
    }
    return Rehearsal(
        run_id=state.run_id,
        plan=proposal.plan,
        runs=runs,
        kept=_kept(state, keeping.kept),
        effects=_effects(proposal.plan, runs, begun, new_key=False),
        differences=differences_of(proposal, keeping),
    )


def _why_open(agent: AgentName, begun: Collection[AgentName]) -> str:
    return "it was stopped before its end" if agent in begun else "it has not started"


def _begun(state: CheckpointState, attempts: Iterable[AgentRunRow]) -> frozenset[AgentName]:
    """Return the agents whose body has run, at least in part: that an agent was asked about is no run of its body."""
    tried = {
        row.agent_name
        for row in attempts
        if row.attempt and not (row.reason == ASKS and _must_be_approved(state.plan, row.agent_name))
    }
    return frozenset(tried | {agent for agent, record in state.records.items() if record["attempts"]})


def _must_be_approved(plan: ExecutionPlan, agent: AgentName) -> bool:
    return agent in plan.by_agent and plan.by_agent[agent].approval is not None


def _kept(state: CheckpointState, kept: Collection[AgentName]) -> dict[AgentName, str]:
    statuses = {agent: AgentStatus(record["status"]) for agent, record in state.records.items()}
    return {agent: _why_kept(state, statuses, agent) for agent in state.plan.by_agent if agent in kept}


def _why_kept(state: CheckpointState, statuses: Mapping[AgentName, AgentStatus], agent: AgentName) -> str:
    record = state.records[agent]
    stand_in = state.plan.repairer(agent, statuses)
    if stand_in is not None:
        return f"it failed, and {stand_in!r} made up for it"
    return record["status"] + (f": {record['reason']}" if record["reason"] else "")


def _effects(
    plan: ExecutionPlan, runs: Collection[AgentName], begun: Collection[AgentName], *, new_key: bool
) -> tuple[Effect, ...]:
    return tuple(
        Effect(
            agent=step.agent,
            effects=step.effects,
            again=step.agent in begun,
            same_key=step.agent in begun and not new_key,
        )
        for step in plan.steps
        if step.agent in runs and step.effects is not Effects.NONE
    )
