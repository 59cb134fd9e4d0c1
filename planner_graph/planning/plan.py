"""The execution plan: plain, frozen, the same bytes for the same input.

Its canonical form is RFC 8785 JSON; :attr:`ExecutionPlan.hash` is the SHA-256 of those bytes and pins checkpoints to
the plan. A plan knows nothing of a run: no times of day, no run ids.
"""

import hashlib
import json
from functools import cached_property
from typing import Self

import rfc8785

from planner_graph.planning import explanation
from planner_graph.planning.contents import PlanContents


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
        """Read a plan back; ``from_json(plan.canonical_json())`` equals the plan."""
        return cls.model_validate(json.loads(text))

    def explain(self) -> str:
        """Say in words why each agent is in, why this order, where the critical path is, what was dropped."""
        return explanation.explain(self)
