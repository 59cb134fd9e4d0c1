"""The JSON Schemas that editors use say what the program accepts."""

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from planner_graph import documents
from planner_graph.campaign import Campaign
from planner_graph.catalog import schema
from planner_graph.catalog.catalog import Catalog

CATALOG = Draft202012Validator(schema.catalog_schema())
CAMPAIGN = Draft202012Validator(schema.campaign_schema())


@pytest.mark.parametrize("path", schema.shipped(), ids=lambda path: path.name)
def test_the_shipped_schema_is_what_the_models_give(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == schema.shipped()[path], "call planner_graph.catalog.schema.write()"


@pytest.mark.parametrize("made", [schema.catalog_schema(), schema.campaign_schema()], ids=["catalog", "campaign"])
def test_schemas_are_schemas(made: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(made)


def test_the_marketing_catalog_names_its_schema_and_satisfies_it() -> None:
    path = Path(str(resources.files("planner_graph.catalog") / "marketing.yaml"))
    first, _, _ = path.read_text(encoding="utf-8").partition("\n")
    assert first == "# yaml-language-server: $schema=catalog.schema.json"
    assert (path.parent / "catalog.schema.json").is_file()
    CATALOG.validate(documents.read(path).data)


CATALOGS = [
    ("agents: {a: {}, b: null}\nrules: {r: {select: [a]}}", True),
    ("$schema: x\nagents:\nrules:", True),
    ("agents: {a: {dependencies: [b, {agent: c, kind: soft}], inputs: [x, {name: y, required: false}]}}", True),
    ("agents: {a: {dependencies: {hard: [b], optional: [c]}, fallback: null, backoff: {factor: 3}}}", True),
    ("rules: {r: {when: {campaign_type: x, include_images: true}, select: [a, b]}}", True),
    ("agent: {}", False),
    ("agents: [a]", False),
    ("agents: {plan: {}}", False),
    ("agents: {a b: {}}", False),
    ("agents: {a: {name: a}}", False),
    ("agents: {a: 3}", False),
    ("agents: {a: {typ: x}}", False),
    ("agents: {a: {max_retries: -1}}", False),
    ("agents: {a: {estimate_seconds: 0}}", False),
    ("agents: {a: {parallel_safe: yes}}", False),
    ("agents: {a: {dependencies: b}}", False),
    ("agents: {a: {dependencies: {hrad: [b]}}}", False),
    ("agents: {a: {dependencies: [{agent: b, kind: sfot}]}}", False),
    ("agents: {a: {resources: {gpu: 0}}}", False),
    ("agents: {a: {timeout_seconds: '3'}}", False),
    ("agents: {a: {outputs: ['']}}", False),
    ("rules: {r: {}}", False),
    ("rules: {r: null}", False),
    ("rules: {r: {select: []}}", False),
    ("rules: {r: {when: {type: x}, select: [a]}}", False),
]
CAMPAIGNS = [
    ("type: x\ncontent_types: [a]\ninclude_images: true\ntasks: [{type: t, parameters: {a: [1]}}]", True),
    ("$schema: x\nprovided: {a: null}\nconfiguration: {writer: {tone: warm}}\nlimits: {max_parallel: 2}", True),
    ("strategy: adaptive\nsources: [a, /b]\nlimits: {resources: {gpu: 0.5}, budget_usd: 1}", True),
    ("type: 3", False),
    ("typ: x", False),
    ("tasks: [t]", False),
    ("tasks: [{title: x}]", False),
    ("tasks: {type: t}", False),
    ("include_images: yes", False),
    ("limits: {max_parallel: 0}", False),
    ("limits: {budget_usd: -1}", False),
    ("strategy: fast", False),
    ("configuration: {writer: 3}", False),
    ("deliverables: x", False),
]


@pytest.mark.parametrize(("text", "valid"), CATALOGS)
def test_the_catalog_schema_and_the_program_agree(text: str, valid: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = tmp_path / "c.yaml"
    path.write_text(text)
    assert CATALOG.is_valid(documents.read(path).data) is valid
    assert (not Catalog.read(path)[1]) is valid


@pytest.mark.parametrize(("text", "valid"), CAMPAIGNS)
def test_the_campaign_schema_and_the_program_agree(text: str, valid: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = tmp_path / "c.yaml"
    path.write_text(text)
    assert CAMPAIGN.is_valid(documents.read(path).data) is valid
    assert (not Campaign.read(path)[1]) is valid
