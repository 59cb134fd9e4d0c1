"""The root of the error tree, and what is wrong with a user's input, in findings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


class PlannerGraphError(Exception):
    """Base of every error this package raises."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with the input, where it is, and what to do about it.

    ``file`` is the document it came from, ``line`` its 1-based line, ``key`` a path such as
    ``agents.writer.dependencies[0]``. Any of them may be unknown. ``agents`` names the agents concerned, for a cycle in
    full with the first name repeated at the end.
    """

    problem: str
    remedy: str = ""
    file: str | None = None
    line: int | None = None
    key: str | None = None
    agents: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        parts = [part for part in (place, self.key) if part]
        text = f"{self.problem}; {self.remedy}" if self.remedy else self.problem
        return ": ".join([*parts, text])


class InvalidInputError(PlannerGraphError, ValueError):
    """The input cannot be used; ``findings`` says everything that is wrong with it, in stable order."""

    subject = "input"

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        head = f"{self.subject} has {count} problem{'s' if count != 1 else ''}:"
        super().__init__("\n".join([head, *(f"  {finding}" for finding in self.findings)]))


MAX_CYCLE_NAMES = 20
"""Names of a cycle that a message lists; of a longer one it lists the first and the last of them."""


def cycle_text(names: Sequence[str], verb: str = "needs") -> str:
    """Write a cycle as a sentence; its first name is repeated at the end, and a long one is shortened in the middle.

    >>> cycle_text(["a", "b", "c", "a"])
    'a needs b needs c needs a'
    """
    left_out = len(names) - 1 - MAX_CYCLE_NAMES
    if left_out > 0:
        half = MAX_CYCLE_NAMES // 2
        names = [*names[:half], f"({left_out} more)", *names[half + left_out :]]
    return f" {verb} ".join(names)


def nearest(name: str, known: Iterable[str]) -> str:
    """Ask if a known name is meant: ``"did you mean 'writer'?"``, or give an empty text if none is near."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else ""
