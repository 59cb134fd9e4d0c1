"""The words that campaigns and rules have in common: which rules a campaign's words call for, and words without a rule.

A campaign says what it wants under three keys, `type`, `content_types` and `tasks`. A word under the wrong one of them,
or spelled in another way than in the catalog, gets a hint that says where it belongs.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.check import MAX_HINTS
from planner_graph.catalog.rule import Rule
from planner_graph.documents import KeyPath
from planner_graph.errors import Finding, nearest
from planner_graph.types import AgentName


@dataclass(frozen=True)
class _Kind:
    """One of the keys of a campaign that rules look at."""

    condition: str
    name: str
    article: str
    example: str


_KINDS = (
    _Kind("campaign_type", "campaign type", "a campaign type", "type: {}"),
    _Kind("content_type", "content type", "a content type", "content_types: [{}]"),
    _Kind("task_type", "task type", "a task type", "tasks: [{{type: {}}}]"),
)

_SPELLINGS = (("isation", "ization"), ("ise", "ize"), ("isi", "izi"), ("isa", "iza"), ("our", "or"))
"""British endings and their American forms, for comparing words only."""

_ENDINGS = ("s", "campaign", "s")
"""What a word may end in or not, from the end on, for comparing only."""


class Hints:
    """Says which known name an unknown one resembles, as often as that is cheap: each costs a walk over all names."""

    def __init__(self) -> None:
        self.left = MAX_HINTS

    def remedy(self, name: str, known: Iterable[str], otherwise: str) -> str:
        """Ask for the known name that ``name`` resembles, else give ``otherwise``."""
        return self.nearest(name, known) or otherwise

    def nearest(self, name: str, known: Iterable[str]) -> str:
        """Ask for the known name that ``name`` resembles; empty if there is none, or if there were too many."""
        self.left -= 1
        return nearest(name, known) if self.left >= 0 else ""


def occasion(rule: Rule, campaign: Campaign, selected: Collection[AgentName] = ()) -> str | None:
    """Say in words why ``rule`` applies to ``campaign`` once ``selected`` are in its plan; ``None`` if it does not."""
    when = rule.when
    words = []
    for label, wanted, given in (
        ("campaign type", when.campaign_type, [campaign.type]),
        ("content type", when.content_type, campaign.content_types),
        ("a task of type", when.task_type, [task.type for task in campaign.tasks]),
    ):
        if wanted is None:
            continue
        word = next((word for word in wanted if word in given), None)
        if word is None:
            return None
        words.append(f"{label} {word!r}")
    if when.include_images is not None:
        if when.include_images is not campaign.include_images:
            return None
        words.append("images are wanted" if when.include_images else "no images are wanted")
    if when.agents:
        if not all(agent in selected for agent in when.agents):
            return None
        words.append(f"{' and '.join(map(repr, when.agents))} in one plan")
    return f"{' and '.join(words) or 'every campaign'} (rule {rule.name!r})"


def unknown_words(campaign: Campaign, catalog: Catalog, hints: Hints) -> Iterator[Finding]:
    """Report types of campaign, content and tasks that no rule looks for, each with where it may belong."""
    known = {kind.condition: known_words(catalog, kind.condition) for kind in _KINDS}
    for condition, path, word in _words(campaign):
        if word in known[condition]:
            continue
        kind = next(kind for kind in _KINDS if kind.condition == condition)
        problem = f"unknown {kind.name} {word!r}"
        listed = f"the catalog knows: {', '.join(known[condition]) or 'none'}"
        remedy = _elsewhere(word, kind, known) or _spelled(word, kind, known) or hints.nearest(word, known[condition])
        yield campaign.finding(path, problem, remedy or listed)


def known_words(catalog: Catalog, condition: str) -> list[str]:
    """List the words that the conditions of rules compare with, in catalog order."""
    return list(dict.fromkeys(word for rule in catalog.rules.values() for word in getattr(rule.when, condition) or ()))


def _words(campaign: Campaign) -> Iterator[tuple[str, KeyPath, str]]:
    """Give the words of a campaign that rules compare with: which condition, where it stands, the word."""
    if campaign.type:
        yield "campaign_type", ("type",), campaign.type
    for position, word in enumerate(campaign.content_types):
        yield "content_type", ("content_types", position), word
    for position, task in enumerate(campaign.tasks):
        yield "task_type", ("tasks", position, "type"), task.type


def _elsewhere(word: str, kind: _Kind, known: dict[str, list[str]]) -> str:
    """Say under which other key the catalog knows ``word``, however it is spelled; empty if under none."""
    for other in _KINDS:
        if (
            other is not kind
            and (found := _same(word, known[other.condition]))
            and (found == word or not _same(word, known[kind.condition]))
        ):
            return f"{found!r} is {other.article}: write {other.example.format(found)}"
    return ""


def _spelled(word: str, kind: _Kind, known: dict[str, list[str]]) -> str:
    """Ask for the word of the same key that differs in spelling only; empty if there is none."""
    found = _same(word, known[kind.condition])
    return f"did you mean {found!r}?" if found else ""


def _same(word: str, known: Collection[str]) -> str:
    """Give the known word that equals ``word`` but for its spelling; empty if there is none."""
    if word in known:
        return word
    plain = _plain(word)
    return next((other for other in known if _plain(other) == plain), "")


def _plain(word: str) -> str:
    """Reduce a word to what does not depend on case, hyphens, plural, "campaign" and British or American spelling."""
    plain = "".join(letter for letter in word.lower() if letter.isalnum())
    for british, american in _SPELLINGS:
        plain = plain.replace(british, american)
    for ending in _ENDINGS:
        plain = plain.removesuffix(ending) or plain
    return plain
