"""JSON Schemas of the documents that people write, made from the models, so that editors complete and check them.

The shipped files are the output of :func:`write`; a test fails when they differ from what the models give.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from planner_graph.campaign import Campaign
from planner_graph.catalog.pool import Pool
from planner_graph.catalog.rule import Rule
from planner_graph.catalog.spec import NAME_PATTERN, RESERVED_NAMES, RESERVED_VALUES, AgentSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SCHEMA_KEY = {"$schema": {"type": "string", "description": "Where the JSON Schema of this file lies; for editors."}}


def catalog_schema() -> dict[str, Any]:
    """Give the schema of a catalog document: agents, rules and pools by name, names of secrets."""
    definitions = _definitions([AgentSpec, Rule, Pool])
    for model in (AgentSpec, Rule, Pool):
        entry = definitions[model.__name__]
        del entry["properties"]["name"]  # the key of the entry is its name
        entry["required"] = [name for name in entry["required"] if name != "name"]
    return {
        "$schema": DIALECT,
        "title": "Catalog of planner_graph",
        "description": "Agents, the rules that say which of them a campaign needs, and the pools that they share.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **_SCHEMA_KEY,
            "agents": {
                "description": "Agents by name.",
                "type": ["object", "null"],
                "propertyNames": {"pattern": NAME_PATTERN, "not": {"enum": sorted(RESERVED_NAMES)}},
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/AgentSpec"}, {"type": "null"}]},
            },
            "rules": {
                "description": "Rules by name.",
                "type": ["object", "null"],
                "propertyNames": {"minLength": 1, "maxLength": 100},
                "additionalProperties": {"$ref": "#/$defs/Rule"},
            },
            "pools": {
                "description": "Pools by name, of which agents hold a part while they run.",
                "type": ["object", "null"],
                "propertyNames": {"minLength": 1, "maxLength": 100},
                "additionalProperties": {"$ref": "#/$defs/Pool"},
            },
            "secrets": {
                "description": "Names of inputs, outputs and configuration keys whose values are never shown.",
                "type": ["array", "null"],
                "items": {"type": "string", "minLength": 1, "maxLength": 100, "not": {"enum": sorted(RESERVED_VALUES)}},
                "uniqueItems": True,
            },
        },
        "$defs": definitions,
    }


def campaign_schema() -> dict[str, Any]:
    """Give the schema of a campaign document."""
    definitions = _definitions([Campaign])
    campaign = definitions.pop("Campaign")
    campaign["properties"] = {**_SCHEMA_KEY, **campaign["properties"]}
    return {"$schema": DIALECT, "title": "Campaign of planner_graph", **campaign, "$defs": definitions}


def shipped() -> dict[Path, str]:
    """Give the text of each schema that the package ships, by the path where it lies."""
    package = Path(__file__).parent.parent
    return {
        package / "catalog" / "catalog.schema.json": _text(catalog_schema()),
        package / "campaign.schema.json": _text(campaign_schema()),
    }


def write() -> None:
    """Write the schemas into the package, from a checkout whose models have changed."""
    for path, text in shipped().items():
        path.write_text(text, encoding="utf-8")


def _definitions(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    _, schema = models_json_schema([(model, "validation") for model in models])
    definitions: dict[str, Any] = _for_people(schema["$defs"])
    return definitions


def _for_people(schema: Any) -> Any:
    """Drop the titles that only repeat a key, and the double back-ticks of docstrings: editors show both."""
    if isinstance(schema, dict):
        return {
            key: _for_people(part) for key, part in schema.items() if not (key == "title" and isinstance(part, str))
        }
    if isinstance(schema, list):
        return [_for_people(part) for part in schema]
    return schema.replace("``", "`") if isinstance(schema, str) else schema


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
