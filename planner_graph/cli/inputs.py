"""Reads what the user gives: catalogs, campaign, agents' declarations; and reports all that is wrong with them at once.

Each file is read as far as it goes, so that a fault in one does not hide the faults in the next.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, TypeVar

from planner_graph.campaign import Campaign
from planner_graph.catalog import check
from planner_graph.catalog.catalog import ENTRY_POINT_GROUP, Catalog
from planner_graph.cli import lazy
from planner_graph.documents import STDIN
from planner_graph.errors import CatalogError, Finding, InvalidInputError
from planner_graph.planning.estimates import MIN_RUNS
from planner_graph.planning.linking import circular_dependencies
from planner_graph.planning.plan import ExecutionPlan
from planner_graph.planning.planner import MasterPlanner

ValueT = TypeVar("ValueT")

MAX_NAMED = 20
"""Names of agents that a note lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What was asked for, and the plan that follows from it. ``agents`` is the factory of ``--agents``, if given."""

    campaign: Campaign
    catalog: Catalog
    plan: ExecutionPlan
    agents: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Past runs to estimate agents from: the database they are in, and how often an agent must have succeeded there."""

    dsn: str | None = None
    min_runs: int = MIN_RUNS


@dataclass(kw_only=True, slots=True)
class Reading:
    """What has been read so far and what is wrong with it; ``gaps`` says that a file could not be read at all."""

    findings: list[Finding] = field(default_factory=list)
    gaps: bool = False
    stdin_read: bool = False

    @property
    def told(self) -> list[Finding]:
        """What is wrong, each thing once: file by file as they came up, each from top to bottom."""
        files = list(dict.fromkeys(finding.file for finding in self.findings))
        return sorted(dict.fromkeys(self.findings), key=lambda finding: (files.index(finding.file), finding.line or 0))

    def take(self, read: Callable[[str], tuple[ValueT, list[Finding]]], path: str) -> ValueT | None:
        """Read one file, as far as it goes."""
        if path == STDIN and self.stdin_read:
            self.findings.append(Finding(problem="standard input is named twice", remedy="write one of them to a file"))
            return None
        self.stdin_read = self.stdin_read or path == STDIN
        try:
            value, found = read(path)
        except InvalidInputError as error:
            self.findings += error.findings
            self.gaps = True
            return None
        self.findings += found
        return value


def load_request(  # noqa: PLR0913  # options, all by keyword
    campaign_file: str,
    *,
    catalogs: Sequence[str] | None = None,
    builtin: bool = True,
    agents: str | None = None,
    strategy: str | None = None,
    history: History | None = None,
) -> Request:
    """Read all that a plan takes, and make it.

    With ``history``, estimates come from past runs. They are read last, so that no fault waits for a database.

    Raises:
        InvalidInputError: something is wrong with any of it; ``findings`` is all of that.
    """
    reading = Reading()
    factory = _factory(reading, agents)
    catalog = _catalog(reading, catalogs or (), builtin=builtin, factory=factory)
    campaign = reading.take(Campaign.read, campaign_file)
    plan = None
    if campaign is not None and not reading.gaps:
        plan = _plan(reading, MasterPlanner(catalog), campaign, strategy)
    if campaign is None or plan is None or reading.findings:
        error = InvalidInputError(reading.told)
        if agents is None and any("no agent produces" in finding.problem for finding in reading.findings):
            error.add_note("agents that are declared in Python are found with --agents MODULE:NAME")
        if builtin and (note := _laid_over(catalog, reading.findings)):
            error.add_note(note)
        raise error
    if history is not None:
        estimator = lazy.module("estimates").read(history.dsn, history.min_runs, catalog, factory)
        plan = MasterPlanner(catalog, estimator=estimator).create_execution_plan(campaign, strategy)
    return Request(campaign=campaign, catalog=catalog, plan=plan, agents=factory)


def history_asked_for(*, wanted: bool, dsn: str | None, min_runs: int | None) -> History | None:
    """Give what ``--history``, ``--dsn`` and ``--min-runs`` say together.

    Raises:
        InvalidInputError: one of the others was given without ``--history``.
    """
    if wanted:
        return History(dsn=dsn, min_runs=min_runs or MIN_RUNS)
    idle = [name for name, given in (("--dsn", dsn), ("--min-runs", min_runs)) if given is not None]
    if idle:
        raise InvalidInputError(
            [Finding(problem="has no effect without --history", remedy="add --history", key=name) for name in idle]
        )
    return None


def load_catalog(files: Sequence[str] | None, *, builtin: bool = True, installed: bool = True) -> Catalog:
    """Read catalogs, lay them over each other, and check the whole; with ``installed``, agents of packages, too.

    Raises:
        CatalogError: something is wrong with any of them, or with what they make together.
    """
    catalog, findings = check_catalog(files, builtin=builtin, installed=installed)
    if findings:
        raise CatalogError(findings)
    return catalog


def check_catalog(
    files: Sequence[str] | None, *, builtin: bool = True, installed: bool = True
) -> tuple[Catalog, list[Finding]]:
    """Read catalogs and lay them over each other; give what there is, and everything that is wrong with it."""
    reading = Reading()
    catalog = _catalog(reading, files or (), builtin=builtin, factory=_factory(reading, None) if installed else None)
    if not reading.gaps:
        reading.findings += check.findings(catalog)
        reading.findings += circular_dependencies(catalog)
    return catalog, reading.told


def _factory(reading: Reading, reference: str | None) -> Any:
    """Load the agents that ``reference`` names, else those of installed packages; ``None`` if there are none.

    The installed ones are looked for first: to load agents takes LangChain, which planning does without.
    """
    if reference is not None:
        return reading.take(lambda named: (lazy.module("agents").load(named), []), reference)
    if entry_points(group=ENTRY_POINT_GROUP):
        return reading.take(lambda _: (lazy.module("agents").installed(), []), ENTRY_POINT_GROUP)
    return None


def _catalog(reading: Reading, files: Iterable[str], *, builtin: bool, factory: Any) -> Catalog:
    """Lay catalogs over each other, and what agents declare in Python over all of them."""
    layers = [reading.take(Catalog.read, file) for file in files]
    base = Catalog.builtin() if builtin else Catalog()
    return base.extended(*(layer for layer in layers if layer is not None), *(factory.declared if factory else ()))


def _laid_over(catalog: Catalog, findings: Iterable[Finding]) -> str:
    """Explain faults in the built-in catalog by what was laid over its agents; "" if there are none."""
    origins = {name: Catalog.builtin().file_of(f"agents.{name}") for name in Catalog.builtin().agents}
    same = [repr(name) for name, file in origins.items() if catalog.file_of(f"agents.{name}") != file]
    if not same or not any(finding.file in origins.values() for finding in findings):
        return ""
    return (
        f"laid over agents of the built-in catalog: {', '.join(same[:MAX_NAMED])};"
        " give them other names, or leave that catalog out with --no-builtin"
    )


def _plan(reading: Reading, planner: MasterPlanner, campaign: Campaign, strategy: str | None) -> ExecutionPlan | None:
    """Plan what was read; of a campaign with faults, what is said of it as a whole may be a consequence of them."""
    faulty = {finding.file for finding in reading.findings}
    try:
        return planner.create_execution_plan(campaign, strategy)
    except InvalidInputError as error:
        reading.findings += [
            finding
            for finding in error.findings
            if not (finding.key is None and finding.file and finding.file == campaign.file and finding.file in faulty)
        ]
        return None
