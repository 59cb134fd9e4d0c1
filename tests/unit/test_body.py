"""What a body is given, and how it is called."""

import copy
import functools

import pytest

from planner_graph.compiler.arguments import Role, arguments_of
from planner_graph.compiler.body import gather_inputs, is_async
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.current import idempotency_key
from tests.catalogs import spec
from tests.fakes import Notebook, planned, run, step_of, thread


def received(plan, agent, *, campaign=None, **bodies):
    """Run a plan and give the inputs that an agent's body received."""
    notes = Notebook()
    run(compile_plan(plan, notes.bodies(plan.by_agent, **bodies)), {"campaign": campaign or {"id": "campaign"}})
    (inputs,) = notes.inputs[agent]
    return inputs


def fails(_):
    raise ValueError("no luck")


def test_a_body_receives_named_inputs_the_campaign_and_its_configuration():
    plan = planned(
        spec("writer", gives=["draft"]),
        spec("seo", needs=["draft"], configuration={"length": 60, "tone": "dry"}),
        configuration={"seo": {"tone": "warm"}},
    )
    assert received(plan, "seo", writer=lambda _: "a text") == {
        "draft": "a text",
        "campaign": {"id": "campaign"},
        "configuration": {"length": 60, "tone": "warm"},
    }


def test_every_output_of_a_dependency_is_there_under_its_name_though_not_declared_as_an_input():
    plan = planned(spec("writer", gives=["draft", "title"]), spec("editor", after=["writer"]))
    inputs = received(plan, "editor", writer=lambda _: {"draft": "d", "title": "t"})
    assert (inputs["draft"], inputs["title"]) == ("d", "t")


def test_outputs_of_agents_that_are_no_dependency_are_not_given():
    plan = planned(spec("a"), spec("b"), spec("c", after=["b"]))
    assert set(received(plan, "c")) == {"b", "campaign", "configuration"}


def test_what_an_agent_returns_beside_its_outputs_hides_no_other_agents_output():
    plan = planned(
        spec("writer", gives=["draft"]), spec("critic", gives=["notes"]), spec("seo", after=["writer", "critic"])
    )
    inputs = received(
        plan, "seo", writer=lambda _: "text", critic=lambda _: {"notes": "n", "draft": "x", "campaign": 0}
    )
    assert (inputs["draft"], inputs["notes"], inputs["campaign"]) == ("text", "n", {"id": "campaign"})


def test_an_optional_input_that_nobody_gives_is_absent():
    plan = planned(spec("a", uses=["hint"]))
    assert "hint" not in received(plan, "a")


@pytest.mark.parametrize("kind", ["soft", "optional"])
def test_the_output_of_a_failed_dependency_is_absent(kind):
    plan = planned(spec("a", max_retries=0), spec("b", after={kind: ["a"]}), spec("c", after={"hard": ["b"]}))
    assert set(received(plan, "b", a=fails)) == {"campaign", "configuration"}


def test_a_value_the_campaign_provides_is_given_by_name_and_wins_over_an_agents_output():
    plan = planned(
        spec("writer", gives=["draft", "title"]),
        spec("seo", needs=["draft"], after=["writer"]),
        provided={"draft": "mine"},
    )
    campaign = {"id": "campaign", "provided": {"draft": "mine", "unused": 1}}
    inputs = received(plan, "seo", campaign=campaign, writer=lambda _: {"draft": "theirs", "title": "t"})
    assert (inputs["draft"], inputs["title"]) == ("mine", "t")
    assert "unused" not in inputs


def test_an_optional_output_that_is_already_there_is_given():
    plan = planned(spec("early"), spec("middle"), spec("user", after={"hard": ["middle"], "optional": ["early"]}))
    assert received(plan, "user")["early"] == 1


def test_a_body_that_changes_its_inputs_changes_them_for_nobody_else():
    def vandal(inputs):
        inputs["campaign"]["id"] = inputs["configuration"]["x"] = "changed"
        inputs["data"].append("changed")
        if len(inputs["data"]) == 2:
            attempts.append(copy.deepcopy(inputs))
        raise ConnectionError

    attempts: list[object] = []
    source, other = spec("source", gives=["data"]), spec("other", needs=["data"])
    plan = planned(source, spec("vandal", needs=["data"], max_retries=1, backoff={"initial_seconds": 0}), other)
    before = plan.canonical_json()
    given = {"id": "campaign"}
    inputs = received(plan, "other", campaign=given, source=lambda _: ["data"], vandal=vandal)
    assert inputs == {"data": ["data"], "campaign": {"id": "campaign"}, "configuration": {}}
    assert len(attempts) == 2
    assert given == {"id": "campaign"}
    assert plan.canonical_json() == before


def test_the_context_tells_agent_run_attempt_and_time_limit():
    contexts = []

    def body(_, context):
        contexts.append(context)
        if context.attempt == 1:
            raise ConnectionError
        return 1

    plan = planned(spec("a", max_retries=1, timeout_seconds=7, backoff={"initial_seconds": 0}))
    run(compile_plan(plan, {"a": body}), config=thread("t-1"))
    assert [(c.agent, c.run_id, c.attempt, c.timeout_seconds) for c in contexts] == [
        ("a", "t-1", 1, 7),
        ("a", "t-1", 2, 7),
    ]
    assert len({c.idempotency_key for c in contexts}) == 1


def test_the_workflow_execution_names_the_run_before_the_thread_does():
    contexts = []
    plan = planned(spec("a"))
    graph = compile_plan(plan, {"a": lambda _, context: contexts.append(context)})
    run(graph, config={"configurable": {"thread_id": "t", "workflow_execution_id": "w"}})
    assert contexts[0].run_id == "w"


def key_of(config, **campaign):
    contexts = []
    graph = compile_plan(planned(spec("a")), {"a": lambda _, context: contexts.append(context)})
    run(graph, {"campaign": {"id": "c", **campaign}}, config)
    return contexts[0].idempotency_key


def test_the_idempotency_key_is_the_same_for_the_same_run_and_inputs_and_for_nothing_else():
    assert key_of(thread("one")) == key_of(thread("one"))
    assert key_of(thread("one")) != key_of(thread("two"))
    assert key_of(thread("one")) != key_of(thread("one"), brief="another")


def test_runs_without_an_id_share_no_idempotency_key():
    assert key_of({}) != key_of({})


def test_the_idempotency_key_depends_on_run_agent_and_inputs_but_not_on_their_order():
    key = idempotency_key("run", "agent", {"a": 1, "b": [2]})
    assert key == idempotency_key("run", "agent", {"b": [2], "a": 1})
    assert (
        len(
            {
                key,
                idempotency_key("run2", "agent", {"a": 1, "b": [2]}),
                idempotency_key("run", "agent2", {"a": 1, "b": [2]}),
                idempotency_key("run", "agent", {"a": 1, "b": [3]}),
            }
        )
        == 4
    )
    assert len(key) == 64


def test_inputs_are_gathered_from_the_records_of_completed_dependencies_only():
    plan = planned(spec("a"), spec("b"), spec("c", after={"hard": ["a"], "soft": ["b"]}))
    state = {
        "campaign": {},
        "a": {"status": "completed", "output": {"a": 1}},
        "b": {"status": "failed", "output": {"b": 2}},
    }
    assert gather_inputs(step_of(plan, "c"), state) == {"a": 1, "campaign": {}, "configuration": {}}
    assert gather_inputs(step_of(plan, "c"), {"campaign": {}, "a": None}) == {"campaign": {}, "configuration": {}}


async def async_function(inputs): ...


class Object:
    async def __call__(self, inputs, context): ...

    def method(self, inputs): ...

    async def async_method(self, inputs): ...


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (async_function, True),
        (Object(), True),
        (Object().async_method, True),
        (functools.partial(async_function), True),
        (Object().method, False),
        (print, False),
        (lambda inputs: async_function(inputs), False),  # noqa: PLW0108  # a lambda is what is tested
    ],
)
def test_async_bodies_are_recognised(body, expected):
    assert is_async(body) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lambda _inputs, _context: ..., True),
        (lambda _inputs, _context, *, _extra=1: ..., True),
        (Object(), True),
        (functools.partial(lambda _prefix, _inputs, _context: ..., 1), True),
        (lambda _inputs: ..., False),
        (lambda _inputs, _option=1: ..., False),
        (lambda _inputs, *_rest: ..., False),
        (lambda _inputs, **_rest: ..., False),
        (Object().method, False),
        (functools.partial(lambda _inputs, _context: ..., _context=1), False),
        (dict, False),
    ],
)
def test_only_bodies_with_a_second_required_parameter_take_the_context(body, expected):
    assert arguments_of("a", body).wants(Role.CONTEXT) is expected
