"""What an agent's declaration may say."""

from typing import Any

import pytest
from langgraph._internal._constants import RESERVED
from langgraph.constants import END, START
from pydantic import ValidationError

from planner_graph import documents
from planner_graph.catalog.spec import (
    NAME_PATTERN,
    RESERVED_NAMES,
    AgentSpec,
    Backoff,
    Dependency,
    Input,
    check_agent_name,
)
from planner_graph.types import AgentName, DependencyKind


def spec(**fields: Any) -> AgentSpec:
    return AgentSpec.model_validate({"name": "a", **fields})


def findings(**fields: Any) -> list[str]:
    document = documents.Document(file="spec", data=fields)
    return [str(finding) for finding in documents.validate(AgentSpec, document, fields, given={"name": "a"})[1]]


@pytest.mark.parametrize("name", ["a", "Writer-2", "social_media", "a.b", "x" * 100, "END", "interrupt"])
def test_a_name_of_letters_digits_and_three_signs_is_allowed(name: str) -> None:
    assert check_agent_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "1a", "_a", "__start__", "a b", "a|b", "a:b", "é", "a\n", "a/b", "x" * 101, "\u0430", "-a", ".a"]
)
def test_any_other_name_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(ValueError, match="is not allowed; use a letter, then up to 99 letters, digits"):
        check_agent_name(name)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_names_of_the_compiled_graph_are_reserved(name: str) -> None:
    with pytest.raises(ValueError, match=f"agent name '{name}' is reserved by the compiled graph; choose another name"):
        check_agent_name(name)


@pytest.mark.parametrize("name", sorted({*RESERVED, START, END, "thread_id"}))
def test_no_agent_may_have_a_name_that_langgraph_reserves(name: str) -> None:
    with pytest.raises(ValueError, match=r"is reserved|is not allowed"):
        check_agent_name(name)


def test_the_pattern_of_names_is_anchored() -> None:
    assert NAME_PATTERN.startswith("^")
    assert NAME_PATTERN.endswith("$")


def test_dependencies_may_be_names_or_mappings_or_names_by_kind() -> None:
    wanted = (
        Dependency(agent=AgentName("b")),
        Dependency(agent=AgentName("c"), kind=DependencyKind.SOFT),
        Dependency(agent=AgentName("d"), kind=DependencyKind.OPTIONAL),
    )
    listed = ["b", {"agent": "c", "kind": "soft"}, Dependency(agent=AgentName("d"), kind=DependencyKind.OPTIONAL)]
    assert spec(dependencies=listed).dependencies == wanted
    assert spec(dependencies={"hard": ["b"], "soft": ["c"], "optional": ["d"]}).dependencies == wanted
    assert spec(dependencies={"soft": ["c"], "hard": ("b",)}).dependencies == (wanted[1], wanted[0])


def test_inputs_may_be_names_or_mappings() -> None:
    wanted = (Input(name="x"), Input(name="y", required=False))
    assert spec(inputs=["x", {"name": "y", "required": False}]).inputs == wanted
    assert spec(inputs=wanted).inputs == wanted


def test_an_agent_without_outputs_gives_one_with_its_own_name() -> None:
    assert spec().outputs == ("a",)
    assert spec(outputs=[]).outputs == ("a",)
    assert spec(outputs=["x", "y"]).outputs == ("x", "y")


def test_what_is_not_said_is_not_set() -> None:
    assert spec().model_fields_set == {"name"}
    assert spec(outputs=["x"]).model_fields_set == {"name", "outputs"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dependencies": "b"}, "dependencies: 'b' is not a list"),
        ({"dependencies": [3]}, "dependencies[0]: 3 is not text"),
        ({"dependencies": ["b c"]}, "dependencies[0]: agent name 'b c' is not allowed"),
        ({"dependencies": [{"agent": "b", "kind": "sfot"}]}, "dependencies[0].kind: 'sfot' is not one of"),
        ({"dependencies": ["b", "c", "b"]}, "dependencies[2]: dependency 'b' is named twice; name it once"),
        (
            {"dependencies": {"hrad": ["b"]}},
            "dependencies.hrad: unknown kind of dependency 'hrad'; did you mean 'hard'?",
        ),
        ({"dependencies": {"x": []}}, "dependencies.x: unknown kind of dependency 'x'; use hard, soft, optional"),
        ({"dependencies": {"hard": "b"}}, "dependencies.hard: the hard dependencies are not a list"),
        ({"dependencies": {"hard": [["b"]]}}, "dependencies.hard[0]: an agent's name is not text"),
        ({"dependencies": {"hard": ["b"], "soft": ["b"]}}, "dependencies.soft[0]: dependency 'b' is named twice"),
        ({"dependencies": {"soft": ["plan"]}}, "dependencies.soft[0]: agent name 'plan' is reserved"),
        ({"inputs": [None]}, "inputs[0]: null is not text"),
        ({"inputs": ["x", "x"]}, "inputs[1]: input 'x' is named twice"),
        ({"inputs": ["campaign"]}, "inputs[0]: 'campaign' is reserved for what every body receives"),
        ({"outputs": ["configuration"]}, "outputs[0]: 'configuration' is reserved for what every body receives"),
        ({"outputs": ["x", "x"]}, "outputs[1]: output 'x' is named twice"),
        ({"estimate_seconds": 0}, "estimate_seconds: 0 is out of range; use a number that is more than 0"),
        ({"estimate_seconds": float("nan")}, "estimate_seconds: nan is not a finite number"),
        ({"timeout_seconds": -1}, "timeout_seconds: -1 is out of range"),
        ({"max_retries": 101}, "max_retries: 101 is out of range; use a number that is 100 or less"),
        ({"max_retries": True}, "max_retries: true is not a whole number"),
        ({"parallel_safe": "no"}, "parallel_safe: 'no' is not true or false"),
        ({"resources": {"gpu": 0}}, "resources.gpu: 0 is out of range"),
        ({"backoff": {"factor": 0.9}}, "backoff.factor: 0.9 is out of range; use a number that is 1 or more"),
        ({"backoff": {"jitter": 1.1}}, "backoff.jitter: 1.1 is out of range; use a number that is 1 or less"),
        ({"backoff": 3}, "backoff: 3 is not a mapping"),
        ({"fallback": "b c"}, "fallback: agent name 'b c' is not allowed"),
        ({"cost_estimate_usd": "1"}, "cost_estimate_usd: '1' is not a number"),
        ({"configuration": {"x": [float("inf")]}}, "configuration.x[0]: inf is not a JSON number"),
        ({"type": ""}, "type: the text is empty"),
        ({"description": "\0"}, "description: the text holds a NUL"),
        ({"capabilities": ["x" * 101]}, "capabilities[0]: the text has 101 characters; use at most 100"),
        ({"estimate": 3}, "estimate: unknown key 'estimate'; remove it, did you mean 'estimate_seconds'?"),
    ],
)
def test_a_faulty_field_is_told_with_its_place(fields: dict[str, Any], message: str) -> None:
    (finding,) = findings(**fields)
    assert finding.startswith(f"spec: {message}")


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec().type = "b"


def test_backoff_grows_by_its_factor_up_to_its_maximum() -> None:
    backoff = Backoff(initial_seconds=2, factor=3, max_seconds=30, jitter=0.5)
    assert [backoff.seconds(retry, 0) for retry in (1, 2, 3, 4, 1000)] == [2, 6, 18, 30, 30]


def test_jitter_shortens_the_wait_by_its_share_at_most() -> None:
    backoff = Backoff(initial_seconds=8, factor=1, jitter=0.25)
    assert [backoff.seconds(1, chance) for chance in (0, 0.5)] == [8, 7]
    assert backoff.seconds(1, 0.999) > 6


def test_backoff_never_waits_longer_than_its_maximum_or_less_than_nothing() -> None:
    assert Backoff(initial_seconds=90, max_seconds=60).seconds(1, 0) == 60
    assert Backoff(initial_seconds=0).seconds(10**9, 0) == 0
    assert Backoff(initial_seconds=1, factor=1, max_seconds=2).seconds(3, 0) == 1


def test_errors_are_named_as_their_classes_are() -> None:
    names = ("TimeoutError", "httpx.ReadTimeout", "_my.errors.Outer.Inner2")
    assert spec(retry_on=names).retry_on == names
    assert spec(retry_on=["OSError"], do_not_retry=["FileNotFoundError"]).do_not_retry == ("FileNotFoundError",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"retry_on": ["httpx.Read Timeout"]}, "retry_on[0]: 'httpx.Read Timeout' names no class of errors; write"),
        ({"retry_on": ["ValueError", "a..b"]}, "retry_on[1]: 'a..b' names no class of errors; write package.module"),
        ({"retry_on": ["2.b"]}, "retry_on[0]: '2.b' names no class of errors; write package.module.Class"),
        (
            {"do_not_retry": ["TimeoutEror"]},
            "do_not_retry[0]: no built-in error is called 'TimeoutEror'; write package.module.Class, or did you mean",
        ),
        ({"retry_on": ["IOError"]}, "retry_on[0]: no built-in error is called 'IOError'; write package.module.Class"),
        ({"retry_on": ["print"]}, "retry_on[0]: no built-in error is called 'print'; write package.module.Class"),
        ({"retry_on": ["OSError", "OSError"]}, "retry_on[1]: error 'OSError' is named twice; name it once"),
        (
            {"retry_on": ["a.B", "OSError"], "do_not_retry": ["KeyError", "OSError"]},
            "do_not_retry[1]: error 'OSError' is in retry_on, too; remove it from one of the two lists",
        ),
        ({"retry_on": "OSError"}, "retry_on: 'OSError' is not a list"),
        ({"total_timeout_seconds": 0}, "total_timeout_seconds: 0 is out of range; use a number that is more than 0"),
        (
            {"effects": "externl"},
            "effects: 'externl' is not one of none, idempotent, external; did you mean 'external'?",
        ),
        ({"isolation": "proces"}, "isolation: 'proces' is not one of process; did you mean 'process'?"),
    ],
)
def test_faulty_ways_to_fail_are_told_with_their_place(fields: dict[str, Any], message: str) -> None:
    (finding,) = findings(**fields)
    assert finding.startswith(f"spec: {message}")


def test_inputs_may_be_given_in_groups() -> None:
    made = spec(inputs=["a", {"optional": ["b", "c"]}, {"one_of": ["d", "e"]}, {"name": "f", "required": False}])
    assert [(item.name, item.required, item.one_of) for item in made.inputs] == [
        ("a", True, False),
        ("b", False, False),
        ("c", False, False),
        ("d", False, True),
        ("e", False, True),
        ("f", False, False),
    ]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"optional": []}, "'optional' is no list of inputs"),
        ({"one_of": "a"}, "'one_of' is no list of inputs"),
        ({"one_of": ["a", 3]}, "an input's name is not text"),
        ({"one_of": ["a"], "optional": ["b"]}, "a group of inputs has one key"),
        ({"one_of": ["a", "a"]}, "input 'a' is named twice"),
        ({"name": "a", "one_of": True}, "an input that is one of several is not required"),
    ],
)
def test_faulty_groups_of_inputs_are_reported(group: dict[str, Any], message: str) -> None:
    assert message in " ".join(findings(inputs=[group]))
