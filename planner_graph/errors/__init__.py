"""The one error tree of the package.

Every error derives from :class:`PlannerGraphError` and from the built-in type that fits it, carries its evidence as
fields, and builds its message in one place. What is wrong with a user's input is reported by
:class:`InvalidInputError`, which holds *all* findings at once.
"""

from planner_graph.errors.access import KeyReusedError, RequestRepeatedError, TokenNameTakenError, TokenNotFoundError
from planner_graph.errors.agents import (
    AgentTimeoutError,
    BodyCancelledError,
    BodyExitedError,
    BodyProcessError,
    DurabilityError,
    NoCurrentAgentError,
    OutputError,
    PoolHeldError,
    UnstorableValueError,
)
from planner_graph.errors.base import Finding, InvalidInputError, PlannerGraphError, cycle_text, nearest
from planner_graph.errors.database import (
    DatabaseUnavailableError,
    ForeignTablesError,
    MirrorNotOpenError,
    MirrorOpenError,
    SchemaVersionError,
)
from planner_graph.errors.planning import (
    AgentBindingError,
    AllowedTypeError,
    CampaignError,
    CatalogError,
    CycleError,
    DocumentError,
    NoDatabaseError,
    PlanError,
    PlanMismatchError,
    StoredPlanError,
    StrangeAgentError,
    UnboundAgentsError,
)
from planner_graph.errors.runs import (
    AmbiguousRunError,
    AnswerRefusedError,
    BadCursorError,
    CampaignNotFoundError,
    CheckpointFault,
    CheckpointUnreadableError,
    CommandRefusedError,
    LeaseLostError,
    OutputNotStoredError,
    PlanChangedError,
    RerunRefusedError,
    RunEndedError,
    RunExistsError,
    RunHeldError,
    RunIdError,
    RunNotFoundError,
    RunNotResumableError,
)

__all__ = [
    "AgentBindingError",
    "AgentTimeoutError",
    "AllowedTypeError",
    "AmbiguousRunError",
    "AnswerRefusedError",
    "BadCursorError",
    "BodyCancelledError",
    "BodyExitedError",
    "BodyProcessError",
    "CampaignError",
    "CampaignNotFoundError",
    "CatalogError",
    "CheckpointFault",
    "CheckpointUnreadableError",
    "CommandRefusedError",
    "CycleError",
    "DatabaseUnavailableError",
    "DocumentError",
    "DurabilityError",
    "Finding",
    "ForeignTablesError",
    "InvalidInputError",
    "KeyReusedError",
    "LeaseLostError",
    "MirrorNotOpenError",
    "MirrorOpenError",
    "NoCurrentAgentError",
    "NoDatabaseError",
    "OutputError",
    "OutputNotStoredError",
    "PlanChangedError",
    "PlanError",
    "PlanMismatchError",
    "PlannerGraphError",
    "PoolHeldError",
    "RequestRepeatedError",
    "RerunRefusedError",
    "RunEndedError",
    "RunExistsError",
    "RunHeldError",
    "RunIdError",
    "RunNotFoundError",
    "RunNotResumableError",
    "SchemaVersionError",
    "StoredPlanError",
    "StrangeAgentError",
    "TokenNameTakenError",
    "TokenNotFoundError",
    "UnboundAgentsError",
    "UnstorableValueError",
    "cycle_text",
    "nearest",
]

for _item in [globals()[name] for name in __all__]:
    if isinstance(_item, type):
        # retry_on in catalogs and stored plans names these classes by this module, wherever they are defined
        _item.__module__ = __name__
