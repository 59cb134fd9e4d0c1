"""The execution plan: plain, frozen, the same bytes for the same input.

Its canonical form is RFC 8785 JSON; :attr:`ExecutionPlan.hash` is the SHA-256 of those bytes and pins checkpoints to
the plan. A plan knows nothing of a run: no times of day, no run ids.
"""

import hashlib
import json
from functools import cached_property
from typing import Any, Self

import rfc8785
from pydantic import ValidationError

from planner_graph.errors import Finding, StoredPlanError
from planner_graph.planning import explanation
from planner_graph.planning.contents import SCHEMA_VERSION, PlanContents
from planner_graph.planning.pictures import drawing, svg


class ExecutionPlan(PlanContents):
    """A plan that can be stored, compared, explained and drawn."""

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical_json()).hexdigest()

    def canonical_json(self) -> bytes:
        """Give the plan as RFC 8785 JSON, UTF-8."""
        return rfc8785.dumps(self.model_dump(mode="json"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a plan back; ``from_json(plan.canonical_json())`` equals the plan.

        Raises:
            StoredPlanError: the text is no plan, or a plan of another schema version.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StoredPlanError([Finding(problem=f"not valid JSON: {error}", remedy=_REMEDY)]) from error
        _check_version(data)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise StoredPlanError(
                [
                    Finding(problem=detail["msg"], remedy=_REMEDY, key=".".join(str(part) for part in detail["loc"]))
                    for detail in error.errors(include_url=False)
                ]
            ) from error

    def explain(self) -> str:
        """Say in words why each agent is in, why this order, where the critical path is, what was dropped."""
        return explanation.explain(self)

    def to_mermaid(self) -> str:
        """Draw the DAG as a Mermaid flowchart."""
        return drawing.to_mermaid(self)

    def to_dot(self) -> str:
        """Draw the DAG in the DOT language of Graphviz."""
        return drawing.to_dot(self)

    def to_svg(self) -> str:
        """Draw the DAG as a stand-alone SVG picture."""
        return svg.to_svg(self)


_REMEDY = "plan the campaign anew"


def _check_version(data: Any) -> None:
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        problem = f"the plan is of version {version!r}, this program reads version {SCHEMA_VERSION}"
        remedy = "use the planner-graph that wrote it, or plan the campaign anew"
        raise StoredPlanError([Finding(problem=problem, remedy=remedy, key="schema_version")])
