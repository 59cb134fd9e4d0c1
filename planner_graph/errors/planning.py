"""What stands in the way of a plan, and of a graph that is made from it."""

from collections.abc import Collection, Iterable, Sequence

from planner_graph.errors.base import InvalidInputError, PlannerGraphError, cycle_text, nearest


class DocumentError(InvalidInputError):
    """A file cannot be read as YAML or JSON at all."""

    subject = "document"


class CatalogError(InvalidInputError):
    """A catalog contradicts itself or is malformed."""

    subject = "catalog"


class CampaignError(InvalidInputError):
    """A campaign is malformed."""

    subject = "campaign"


class PlanError(InvalidInputError):
    """Campaign and catalog are well-formed, but no plan follows from them."""

    subject = "plan"


class StoredPlanError(InvalidInputError):
    """The text of a stored plan is damaged, or was written in a form this program does not know."""

    subject = "stored plan"


class CycleError(PlannerGraphError, ValueError):
    """The dependencies form at least one cycle; each is named in full, its first agent repeated at the end."""

    def __init__(self, cycles: Sequence[tuple[str, ...]]) -> None:
        self.cycles = tuple(cycles)
        super().__init__("circular dependency: " + "; ".join(cycle_text(cycle[::-1]) for cycle in self.cycles))


class UnboundAgentsError(PlannerGraphError, LookupError):
    """Agents of the plan have no body to run; ``agents`` lists all of them."""

    def __init__(self, agents: Sequence[str], known: Iterable[str]) -> None:
        self.agents = tuple(agents)
        self.known = tuple(known)
        lines = [f"no body is bound to {len(self.agents)} agent{'s' if len(self.agents) != 1 else ''} of the plan:"]
        for name in self.agents:
            hint = nearest(name, self.known)
            lines.append(f"  {name!r}, {hint}" if hint else f"  {name!r}")
        lines.append("bind each of them in the AgentFactory or mapping that the graph is compiled with")
        super().__init__("\n".join(lines))


class AgentBindingError(PlannerGraphError, TypeError):
    """A reference to agent bodies cannot be resolved to something that can run."""

    def __init__(self, reference: str, problem: str) -> None:
        self.reference = reference
        super().__init__(f"agent binding {reference!r}: {problem}")


class AllowedTypeError(PlannerGraphError, ValueError):
    """Something in ``allowed_types`` names no class that can be found again."""

    def __init__(self, given: object, remedy: str) -> None:
        self.given = given
        super().__init__(f"allowed type {given!r} cannot be used; {remedy}")


class PlanMismatchError(PlannerGraphError, ValueError):
    """A checkpoint belongs to another plan than the graph that was asked to resume it."""

    def __init__(self, *, checkpoint_hash: str, plan_hash: str) -> None:
        self.checkpoint_hash = checkpoint_hash
        self.plan_hash = plan_hash
        super().__init__(
            f"the checkpoint was written by plan {checkpoint_hash}, but this graph was compiled from plan {plan_hash}; "
            "resume it with the plan it was started with, or start a new run"
        )


class StrangeAgentError(PlannerGraphError, ValueError):
    """Somebody leads a thread to an ``agent`` that its plan does not have, or gives a record in that one's place."""

    def __init__(self, agent: str, known: Collection[str]) -> None:
        self.agent = agent
        problem = f"it is not in the plan; name one of: {', '.join(known)}" if known else "it has no plan; start a run"
        super().__init__(f"agent {agent!r} has no part in this thread: {problem}")


class NoDatabaseError(PlannerGraphError, TypeError):
    """A planner without a database was given the ids of a campaign and of a run."""

    def __init__(self, campaign_id: object) -> None:
        self.campaign_id = campaign_id
        super().__init__(
            f"this planner has no database to look up campaign {campaign_id!r} in; pass the Campaign itself, or use "
            "await DatabasePlanner(database).create_execution_plan(campaign_id, workflow_execution_id, strategy)"
        )
