"""Rules as people write them: agents, products, and what is left out."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from planner_graph.catalog import check, schema
from planner_graph.catalog.catalog import Catalog
from planner_graph.catalog.rule import ProductSpec, Rule
from tests.catalogs import spec

CATALOG = Draft202012Validator(schema.catalog_schema())


def rule(**fields: Any) -> Rule:
    return Rule.model_validate({"name": "r", "select": ["writer"], **fields})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("text", ProductSpec(outputs=("text",))),
        (["best", "text"], ProductSpec(outputs=("best", "text"))),
        ({"outputs": "text"}, ProductSpec(outputs=("text",))),
        ({"outputs": ["best", "text"], "required": False}, ProductSpec(outputs=("best", "text"), required=False)),
        ({"outputs": ["text"], "main": True}, ProductSpec(outputs=("text",), main=True)),
    ],
)
def test_a_product_has_short_forms(written: Any, meant: ProductSpec) -> None:
    assert rule(deliverables={"post": written}).deliverables == {"post": meant}
    CATALOG.validate({"rules": {"r": {"select": ["writer"], "deliverables": {"post": written}}}})


def test_a_list_of_products_names_each_by_its_output() -> None:
    assert rule(deliverables=["a", "b"]).deliverables == {
        "a": ProductSpec(outputs=("a",)),
        "b": ProductSpec(outputs=("b",)),
    }
    CATALOG.validate({"rules": {"r": {"select": ["writer"], "deliverables": ["a", "b"]}}})


def test_no_products_are_not_the_same_as_nothing_said_about_them() -> None:
    assert rule(deliverables={}).deliverables == {}
    assert rule().deliverables is None


@pytest.mark.parametrize(
    ("deliverables", "told"),
    [
        ("{p: null}", "{at}.p: null is not a mapping; write a mapping of keys to values, or remove it"),
        ("{p: []}", "{at}.p: the list is empty; name at least one"),
        ("{p: [a, a]}", "{at}.p: output 'a' is named twice; name it once"),
        ("{p: [campaign]}", "{at}.p: 'campaign' is reserved for what every body receives; choose another name"),
        (
            "{p: {outputs: [a], requird: no}}",
            "{at}.p.requird: unknown key 'requird'; remove it, did you mean 'required'?",
        ),
        (
            "{p: {outputs: [a], required: 0}}",
            "{at}.p.required: 0 is not true or false; write true or false, without quotes",
        ),
        (
            "{p: {outputs: [a], required: false, main: true}}",
            "{at}.p: product 'p' is 'main' and not 'required'; remove one of the two keys",
        ),
        ("[a, a]", "{at}[1]: output 'a' is named twice; name it once"),
        ("[a, {b: c}]", "{at}[1]: an output's name is not text; write the name of an output"),
        ("a", "{at}: 'a' is not a mapping; write a mapping of keys to values, or remove it"),
    ],
)
def test_what_is_wrong_with_products_is_told_where_it_stands(tmp_path: Path, deliverables: str, told: str) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(f"rules:\n  r:\n    select: [a]\n    deliverables: {deliverables}\n", encoding="utf-8")
    _, findings = Catalog.read(file)
    assert [str(finding) for finding in findings] == [f"{file}:4: " + told.format(at="rules.r.deliverables")]


def test_an_output_that_no_agent_gives_is_told_with_the_nearest_one() -> None:
    catalog = Catalog.of(
        spec("writer", gives=["blog_content"]), rules=[rule(deliverables={"post": ["blog_contnet", "blog_content"]})]
    )
    assert [str(finding) for finding in check.findings(catalog)] == [
        (
            "rules.r.deliverables.post: product 'post' of rule 'r' names an output 'blog_contnet' that no agent gives; "
            "did you mean 'blog_content'?"
        )
    ]


def test_what_a_rule_leaves_out_is_a_known_agent_that_it_does_not_select() -> None:
    catalog = Catalog.of(
        spec("writer"), spec("researcher"), rules=[rule(without=["reseacher", "writer", "researcher"])]
    )
    assert [str(finding) for finding in check.findings(catalog)] == [
        (
            "rules.r.without[0]: rule 'r' leaves out an unknown agent 'reseacher'; declare it or remove it, "
            "did you mean 'researcher'?"
        ),
        (
            "rules.r.without[1]: rule 'r' selects agent 'writer' and leaves it out; "
            "name it under one of 'select' and 'without'"
        ),
    ]


def test_a_condition_takes_one_word_or_several_and_agents_of_the_plan() -> None:
    when = {"campaign_type": "launch", "content_type": ["post", "posts"], "agents": ["writer"]}
    rule = Rule.model_validate({"name": "r", "when": when, "select": ["editor"]})
    assert rule.when.campaign_type == ("launch",)
    assert rule.when.content_type == ("post", "posts")
    assert rule.when.agents == ("writer",)
    assert rule.when.task_type is None


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ({"task_type": []}, "the list is empty"),
        ({"task_type": ["a", "a"]}, "word 'a' is named twice"),
        ({"agents": ["a", "a"]}, "agent 'a' is named twice"),
    ],
)
def test_words_of_a_condition_are_checked(when: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Rule.model_validate({"name": "r", "when": when, "select": ["a"]})
