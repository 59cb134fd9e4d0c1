"""The form in which a campaign is asked for: its JSON Schema, with what the agents at hand can do to choose from."""

from collections.abc import Collection, Iterator
from typing import Any

from planner_graph.campaign import Campaign
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import Rule
from planner_graph.types import AgentName

_DEFINITIONS = "#/$defs/"


def campaign_form(catalog: Catalog, agents: Collection[AgentName]) -> dict[str, Any]:
    """Give the schema of a campaign that these agents of the catalog can carry out, complete in itself."""
    schema = Campaign.model_json_schema()
    definitions = schema.pop("$defs", {})
    form: dict[str, Any] = _resolved(schema, definitions, ())
    fields = form["properties"]
    for name, key in (("type", "campaign_type"), ("content_types", "content_type")):
        _offer(fields[name], list(dict.fromkeys(_words(catalog, key, agents))))
    outputs = [output for agent in agents for output in catalog.agents[agent].outputs]
    _offer(fields["deliverables"], list(dict.fromkeys(outputs)))
    return form


def _words(catalog: Catalog, key: str, agents: Collection[AgentName]) -> Iterator[str]:
    """Give the words to which rules answer that call for none but these agents."""
    for rule in catalog.rules.values():
        if all(agent in agents for agent in rule.select):
            yield from _rule_words(rule, key)


def _rule_words(rule: Rule, key: str) -> tuple[str, ...]:
    words: tuple[str, ...] | None = getattr(rule.when, key)
    return words or ()


def _offer(field: dict[str, Any], words: list[str]) -> None:
    """Let a field, or the items of a list, be chosen among ``words``."""
    if not words:
        return
    if "items" in field:
        field["items"] = {"type": "string", "enum": words}
        field["uniqueItems"] = True
    else:
        field["anyOf"] = [{"type": "string", "enum": words}, {"type": "null"}]


def _resolved(schema: Any, definitions: dict[str, Any], inside: tuple[str, ...]) -> Any:
    """Put definitions where they are referred to; one that refers to itself allows anything there."""
    if isinstance(schema, list):
        return [_resolved(part, definitions, inside) for part in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _resolved(part, definitions, inside) for key, part in schema.items() if key != "$ref"}
    if "$ref" not in schema:
        return rest
    name = schema["$ref"].removeprefix(_DEFINITIONS)
    return rest if name in inside else {**_resolved(definitions[name], definitions, (*inside, name)), **rest}
