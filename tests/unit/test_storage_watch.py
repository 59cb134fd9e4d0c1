"""What agents put into checkpoints beside their records: what could not be read again fails the agent at once."""

import asyncio
import time
from typing import Any, TypedDict

import ormsgpack
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.func import task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from planner_graph import AgentFactory, Catalog, MasterPlanner, Studio
from planner_graph.compiler.campaigns import compile_planner
from planner_graph.compiler.compiler import compile_plan
from planner_graph.errors import AllowedTypeError, CheckpointUnreadableError, UnstorableValueError
from planner_graph.serializer import CheckpointSerializer
from tests.catalogs import spec
from tests.fakes import INPUT, Notebook, planned, run, thread
from tests.plans import make_plan
from tests.stored_types import Draft, Order

HOW = ("invoke", "ainvoke")
STRATEGIES = ("sequential", "parallel", "adaptive")
NAME = "tests.stored_types:Draft"
SAYS = f"a {NAME} is not allowed in checkpoints; use plain data, or name '{NAME}' in allowed_types"


@task
def drafted(title):
    return Draft(title)


@task
async def drafted_async(title):
    return Draft(title)


@task
def drafted_within(title):
    return {"title": drafted(title).result().title}


@task
def asked_within(title):
    return interrupt([Draft(title)])


class State(TypedDict, total=False):
    campaign: dict[str, Any]
    draft: Any
    a: str


def graph_of(*nodes):
    """Give a graph whose nodes run one after the other."""
    builder = StateGraph(State)
    names = [node.__name__ for node in nodes]
    for name, node in zip(names, nodes, strict=True):
        builder.add_node(name, node)
    for source, target in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(source, target)
    return builder.compile()


def first(_):
    return {"draft": {"of": Draft("title")}}


def second(state):
    return {"a": state["draft"]["of"].title}


def question(_):
    return {"a": interrupt({"draft": [Draft("title")]})}


async def question_async(inputs):
    return question(inputs)


BODIES: dict[str, tuple[Any, str]] = {
    "question": (question, "question.draft[0]: "),
    "question of a coroutine": (question_async, "question.draft[0]: "),
    "graph": (graph_of(first, second), "of: "),
    "question of a graph": (graph_of(question), "draft[0]: "),
    "task": (lambda _: {"a": drafted("title").result().title}, ""),
    "task within a task": (lambda _: {"a": drafted_within("title").result()["title"]}, ""),
    "question of a task": (lambda _: {"a": asked_within("title").result()}, "question[0]: "),
}


async def awaited_task(_):
    return {"a": (await drafted_async("title")).title}


def pair(body, **options):
    """Compile a plan of an agent with this body, and one that has nothing to do with it."""
    bodies = {"a": body, "b": lambda _: {"b": "sound"}}
    plan = planned(spec("a", max_retries=3), spec("b"), strategy=options.pop("strategy", "parallel"))
    return compile_plan(plan, bodies, **options)


def records(graph, config):
    values = graph.get_state(config).values
    return {agent: values[agent] for agent in "ab"}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", BODIES)
def test_a_type_that_is_not_named_fails_its_agent_with_the_path_and_no_other(kind, how, strategy):
    body, path = BODIES[kind]
    config = thread()
    graph = pair(body, checkpointer=InMemorySaver(), strategy=strategy)
    run(graph, config=config, how=how)
    found = records(graph, config)
    assert (found["a"]["status"], found["b"]["output"]) == ("failed", {"b": "sound"})
    assert found["a"]["error"]["type"] == "UnstorableValueError"
    assert f"{path}{SAYS}" in found["a"]["error"]["message"]
    assert found["a"]["attempts"] == 1


def test_a_coroutine_of_a_task_fails_its_agent():
    config = thread()
    graph = pair(awaited_task, checkpointer=InMemorySaver())
    run(graph, config=config, how="ainvoke")
    assert records(graph, config)["a"]["error"]["message"] == SAYS


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", BODIES)
def test_a_type_that_is_named_is_stored_and_read_again(kind, how):
    body, _ = BODIES[kind]
    config, saver = thread(), InMemorySaver()
    graph = pair(body, checkpointer=saver, allowed_types=[Draft])
    run(graph, config=config, how=how)
    if asked := graph.get_state(config).interrupts:
        assert repr(Draft("title")) in repr(asked[0].value)
        again = pair(body, checkpointer=saver, allowed_types=[NAME])
        run(again, Command(resume="title"), config=config, how=how)
    assert records(graph, config)["a"]["output"] == {"a": "title"}


@pytest.mark.parametrize("kind", ["task", "task within a task"])
def test_without_checkpoints_nothing_is_stored_and_nothing_refused(kind):
    result = run(pair(BODIES[kind][0]), how="ainvoke")
    assert result["result"]["agents"]["a"]["status"] == "completed"


def test_the_agent_fails_at_once_and_not_when_its_graph_ends():
    begun = []

    async def slow(_):
        begun.append(time.monotonic())
        await asyncio.sleep(30)
        return {"a": "late"}

    config = thread()
    graph = pair(graph_of(first, slow), checkpointer=InMemorySaver())
    start = time.monotonic()
    run(graph, config=config, how="ainvoke")
    assert time.monotonic() - start < 10
    assert records(graph, config)["a"]["error"]["message"].endswith(SAYS)


def test_a_body_that_hides_the_error_fails_as_well():
    def hides(_):
        try:
            return {"a": drafted("title").result().title}
        except UnstorableValueError:
            return {"a": "hidden"}

    config = thread()
    graph = pair(hides, checkpointer=InMemorySaver())
    run(graph, config=config, how="ainvoke")
    assert records(graph, config)["a"]["status"] == "failed"


def test_an_answer_that_cannot_be_stored_is_refused_before_anything_runs():
    config, calls = thread(), []

    def asks(_):
        calls.append(1)
        return {"a": interrupt("well?")}

    graph = pair(asks, checkpointer=InMemorySaver())
    run(graph, config=config)
    with pytest.raises(UnstorableValueError, match=r"resume\.x: a tests\.stored_types:Draft is not allowed"):
        graph.invoke(Command(resume={"x": Draft("title")}), config)
    assert len(calls) == 1


def attacked(saver, made):
    """Put bytes that name a function into the place of each blob of agent ``b``."""
    attack = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(["os", "system", f"touch {made}"])))
    for key in saver.blobs:
        if key[2] == "b":
            saver.blobs[key] = ("msgpack", attack)


@pytest.mark.parametrize("how", ["given", "copied", "set"])
def test_a_saver_reads_safely_however_a_graph_comes_by_it(how, tmp_path):
    saver, config, made = InMemorySaver(), thread(), tmp_path / "made"
    plan, bodies = make_plan({"b": []}, strategy="sequential"), Notebook().bodies("b")
    run(compile_plan(plan, bodies, checkpointer=saver), config=config)
    attacked(saver, made)
    graph = compile_plan(plan, bodies, checkpointer=saver if how == "given" else None)
    if how == "copied":
        graph = graph.copy(update={"checkpointer": saver})
    if how == "set":
        graph.checkpointer = saver
    with pytest.raises(CheckpointUnreadableError, match="os:system"):
        graph.get_state(config)
    assert not made.exists()
    assert type(saver.serde) is JsonPlusSerializer, "the saver itself is as it was"


def test_a_graph_within_a_users_own_graph_reads_its_saver_safely(tmp_path):
    made, saver = tmp_path / "made", InMemorySaver()
    inner = compile_plan(
        planned(spec("a"), spec("b", after=["a"]), strategy="sequential"), {"a": question_plain, "b": nothing}
    )

    class Outer(TypedDict, total=False):
        campaign: dict[str, Any]
        result: Any

    builder = StateGraph(Outer)
    builder.add_node("plan", inner)
    builder.add_edge(START, "plan")
    outer = builder.compile(checkpointer=saver)
    config = thread()
    outer.invoke({"campaign": INPUT["campaign"]}, config)
    attack = ormsgpack.packb(ormsgpack.Ext(0, ormsgpack.packb(["os", "system", f"touch {made}"])))
    changed = [key for key in saver.blobs if key[1] and key[2] == "campaign"]
    assert changed
    for key in changed:
        saver.blobs[key] = ("msgpack", attack)
    with pytest.raises(CheckpointUnreadableError, match="os:system"):
        outer.invoke(Command(resume="yes"), config)
    assert not made.exists()


def question_plain(_):
    return {"a": interrupt("well?")}


def nothing(_):
    return {"b": 1}


class Counting(InMemorySaver):
    """A saver that counts in an attribute that it sets anew."""

    count = 0

    def put(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        return super().put(*args, **options)


def test_the_view_of_a_saver_shares_all_but_its_serializer():
    saver = Counting()
    graph = pair(nothing_a, checkpointer=saver)
    run(graph, config=thread())
    assert saver.count > 0
    assert isinstance(graph.checkpointer, Counting)
    assert graph.checkpointer.storage is saver.storage
    assert isinstance(graph.checkpointer.serde, CheckpointSerializer)
    assert graph.copy().checkpointer.serde.allowed_types == ()


def nothing_a(_):
    return {"a": 1}


def test_types_that_a_saver_was_made_to_allow_by_name_stay_allowed():
    serde = JsonPlusSerializer(allowed_msgpack_modules=[("tests.stored_types", "Draft")], pickle_fallback=True)
    graph = pair(BODIES["graph"][0], checkpointer=InMemorySaver(serde=serde), allowed_types=[Order])
    config = thread()
    run(graph, config=config)
    assert records(graph, config)["a"]["output"] == {"a": "title"}
    assert set(graph.checkpointer.serde.allowed_types) == {
        ("tests.stored_types", "Draft"),
        ("tests.stored_types", "Order"),
    }


class Reversing:
    """A cipher that nobody can break who does not read backwards."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "reversed", plaintext[::-1]

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "reversed"
        return ciphertext[::-1]


def test_a_saver_that_encrypts_encrypts_what_is_safe():
    saver, config = InMemorySaver(serde=EncryptedSerializer(Reversing(), JsonPlusSerializer())), thread()
    graph = pair(BODIES["graph"][0], checkpointer=saver)
    run(graph, config=config)
    found = records(graph, config)
    assert SAYS in found["a"]["error"]["message"]
    assert found["b"]["output"] == {"b": "sound"}
    kinds = {kind for _, (kind, data) in saver.blobs.items() if data}
    assert kinds == {"msgpack+reversed"}


class Everything(JsonPlusSerializer):
    """A serializer of a user's own making."""


def test_a_serializer_of_a_users_own_is_left_as_it_is():
    saver, config = InMemorySaver(serde=Everything(allowed_msgpack_modules=True)), thread()
    graph = pair(BODIES["question"][0], checkpointer=saver)
    assert graph.checkpointer is saver
    run(graph, config=config)
    assert graph.get_state(config).interrupts[0].value == {"draft": [Draft("title")]}


def test_types_come_from_the_factory_of_the_agents_to_every_graph():
    factory = AgentFactory({"a": question, "b": nothing}, allowed_types=[NAME])
    plan = planned(spec("a"), spec("b"))
    catalog = Catalog.of(spec("a"), spec("b"))
    studio = Studio(factory, catalog=catalog)
    graphs = [
        compile_plan(plan, factory),
        compile_planner(MasterPlanner(catalog), factory),
        studio.campaigns()._graph,
        compile_plan(plan, AgentFactory({}).extended(factory)),
        compile_plan(plan, factory.extended({"b": nothing})),
    ]
    for graph in graphs:
        assert graph.serializer.allowed_types == (("tests.stored_types", "Draft"),)


@pytest.mark.parametrize("made", [AgentFactory, lambda *_, **options: pair(nothing_a, **options)])
def test_what_names_no_type_is_refused_where_it_is_named(made):
    with pytest.raises(AllowedTypeError, match="'Draft' cannot be used; write it as module:Class"):
        made({}, allowed_types=["Draft"])
