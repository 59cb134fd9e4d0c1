"""All that is wrong with what the user gives is reported together."""

import pytest

from planner_graph.cli.inputs import History, check_catalog, history_asked_for, load_catalog, load_request
from planner_graph.cli.screen import finding_text
from planner_graph.errors import CatalogError, DatabaseUnavailableError, Finding, InvalidInputError
from planner_graph.types import AgentName


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        (tmp_path / name).write_text(text)
        return name

    return write


def told(error):
    return [(finding.file, finding.line, finding.key) for finding in error.value.findings]


def test_a_request_has_campaign_catalog_and_plan(write):
    catalog = write("c.yaml", "agents: {a: {outputs: [x]}}")
    campaign = write("w.yaml", "deliverables: [x]")
    request = load_request(campaign, catalogs=[catalog], builtin=False, strategy="sequential")
    assert list(request.catalog.agents) == ["a"]
    assert [step.agent for step in request.plan.steps] == ["a"]
    assert request.plan.strategy == "sequential"
    assert request.agents is None


def test_later_catalogs_win(write):
    one = write("one.yaml", "agents: {a: {estimate_seconds: 1, description: first}}")
    two = write("two.yaml", "agents: {a: {estimate_seconds: 2}}")
    spec = load_catalog([one, two], builtin=False).agents[AgentName("a")]
    assert (spec.estimate_seconds, spec.description) == (2, "first")
    assert "writer" in load_catalog([one]).agents


def test_faults_of_all_files_are_reported_together(write):
    catalog = write("c.yaml", "agents:\n  a:\n    estimate_secons: 3\n    outputs: [x]\n")
    second = write("d.yaml", "agents:\n  b:\n    dependencies: [c]\n")
    campaign = write("w.yaml", "deliverables: [x, y]\nlimits:\n  max_parallel: -1\n")
    with pytest.raises(InvalidInputError) as error:
        load_request(campaign, catalogs=[catalog, second], builtin=False, strategy="adaptve")
    assert told(error) == [
        ("c.yaml", 3, "agents.a.estimate_secons"),
        ("w.yaml", 1, "deliverables[1]"),
        ("w.yaml", 3, "limits.max_parallel"),
        ("d.yaml", 3, "agents.b.dependencies[0]"),
        (None, None, "strategy"),
    ]


def test_what_cannot_be_read_at_all_does_not_hide_the_faults_of_the_rest(write):
    catalog = write("c.yaml", "agents: [")
    campaign = write("w.yaml", "typ: x")
    with pytest.raises(InvalidInputError) as error:
        load_request(campaign, catalogs=[catalog, "missing.yaml"], builtin=False)
    assert [finding.file for finding in error.value.findings] == ["c.yaml", "missing.yaml", "w.yaml"]


def test_a_campaign_whose_wish_is_misspelt_is_not_also_called_empty(write):
    with pytest.raises(InvalidInputError) as error:
        load_request(write("w.yaml", "tpe: blog_creation"))
    assert [finding.problem for finding in error.value.findings] == ["unknown key 'tpe'"]


def test_a_catalog_is_checked_for_circles_that_no_campaign_needs_to_select(write):
    file = write("c.yaml", "agents:\n  a: {dependencies: [b]}\n  b: {dependencies: [a]}\n")
    catalog, findings = check_catalog([file], builtin=False)
    assert list(catalog.agents) == ["a", "b"]
    assert [finding.problem for finding in findings] == ["circular dependency: a needs b needs a"]
    with pytest.raises(CatalogError):
        load_catalog([file], builtin=False)


def test_nothing_is_reported_twice(write):
    file = write("c.yaml", "agents:\n  a: {dependencies: [b]}\n")
    with pytest.raises(InvalidInputError) as error:
        load_request(write("w.yaml", "deliverables: [a]"), catalogs=[file, file], builtin=False)
    assert len(error.value.findings) == 1


def test_a_finding_says_where_what_and_what_to_do():
    finding = Finding(problem="unknown key 'a'", remedy="remove it", file="c.yaml", line=3, key="agents.x.a")
    assert finding_text(finding).plain == "c.yaml:3: agents.x.a: unknown key 'a'\n    remove it"
    assert finding_text(Finding(problem="nothing to do")).plain == "nothing to do"


def test_faults_are_told_before_any_database_is_asked_for_past_runs(write):
    nowhere = History(dsn="no such database")
    with pytest.raises(InvalidInputError) as error:
        load_request(write("w.yaml", "tpe: blog_creation"), history=nowhere)
    assert [finding.problem for finding in error.value.findings] == ["unknown key 'tpe'"]
    with pytest.raises(DatabaseUnavailableError, match="--dsn"):
        load_request(write("w.yaml", "type: blog_creation"), history=nowhere)


def test_options_of_history_are_refused_without_it():
    assert history_asked_for(wanted=False, dsn=None, min_runs=None) is None
    assert history_asked_for(wanted=True, dsn=None, min_runs=None) == History(dsn=None, min_runs=5)
    assert history_asked_for(wanted=True, dsn="x", min_runs=1) == History(dsn="x", min_runs=1)
    with pytest.raises(InvalidInputError) as error:
        history_asked_for(wanted=False, dsn="x", min_runs=1)
    assert [(finding.key, finding.remedy) for finding in error.value.findings] == [
        ("--dsn", "add --history"),
        ("--min-runs", "add --history"),
    ]
