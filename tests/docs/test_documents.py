"""The Python in README, docs and docstrings runs, from top to bottom, as a reader would run it."""

import doctest
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from planner_graph import Campaign, Catalog, MasterPlanner
from planner_graph.catalog import check
from planner_graph.catalog.catalog import SECTIONS

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [path for path in sorted((ROOT / "planner_graph").rglob("*.py")) if ">>> " in path.read_text()]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
YAML = [
    pytest.param(block, id=f"{path.name}-{place}")
    for path in DOCUMENTS
    for place, block in enumerate(re.findall(r"^```yaml\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL))
]
PLANNING = re.compile(r"^\$ planner-graph ((?:plan|draw) examples/.*)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_python_of_a_document_runs(document, request, monkeypatch):
    text = document.read_text()
    if "open_database" in text:
        monkeypatch.setenv("PLANNER_GRAPH_DSN", request.getfixturevalue("dsn"))
    namespace = {"__name__": document.stem}
    for block in BLOCK.finditer(text):
        padding = "\n" * text.count("\n", 0, block.start(1))  # so that errors name the document's own lines
        exec(compile(padding + block[1], str(document), "exec"), namespace)  # noqa: S102  # our own documents


@pytest.mark.parametrize("block", YAML)
def test_the_yaml_of_a_document_is_a_catalog_or_a_campaign_that_can_be_planned(block, tmp_path):
    path = tmp_path / "block.yaml"
    path.write_text(block)
    sections = re.findall(r"^(\w+):", block, re.MULTILINE)
    if set(sections) <= set(SECTIONS):
        catalog, findings = Catalog.read(path)
        assert [*findings, *check.findings(Catalog.builtin().extended(catalog))] == []
    else:
        MasterPlanner().create_execution_plan(Campaign.load(path))


@pytest.mark.parametrize("command", PLANNING.findall((ROOT / "README.md").read_text()))
def test_a_reader_can_type_the_planning_commands_of_the_readme(command, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    program = Path(sys.executable).with_name("planner-graph")
    done = subprocess.run([program, *shlex.split(command)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_module_are_true(module):
    name = ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document):
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"
