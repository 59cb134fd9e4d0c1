"""Every way to bind bodies to names, and what is said when it does not work."""

import importlib
import os
import sys
from typing import Any, cast

import pytest
from langchain_core.runnables import RunnableLambda

from planner_graph.agents.factory import AgentFactory, resolve
from planner_graph.catalog.catalog import Catalog, agent
from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.usage import ModelPrice
from planner_graph.errors import AgentBindingError, InvalidInputError, UnboundAgentsError
from planner_graph.types import AgentName
from tests.fakes import run
from tests.plans import make_plan

CANNOT_RUN = "is neither a function nor a runnable; bind a function, a LangChain runnable or a compiled graph"

NOT_FOUND = "install it, or start in the folder that holds it"


@pytest.fixture(autouse=True)
def _own_imports(tmp_path, monkeypatch):
    """Work in an empty folder, and forget afterwards what was imported from it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
    importlib.invalidate_caches()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def called(factory, agent="writer"):
    return factory[agent]({})


def refusal(call, *arguments):
    with pytest.raises(AgentBindingError) as caught:
        call(*arguments)
    return str(caught.value)


def writer(_):
    return "text"


@agent(outputs=["title"], estimate_seconds=5)
def seo(_):
    """Finds a title."""
    return "title"


@agent(name="image")
async def draw(_):
    return "png"


def test_bodies_are_given_as_themselves():
    chain = RunnableLambda(writer)
    factory = AgentFactory({"writer": writer, "chain": chain})
    assert (factory["writer"], factory["chain"]) == (writer, chain)
    assert (list(factory), len(factory), dict(factory)) == (["writer", "chain"], 2, {"writer": writer, "chain": chain})


def test_decorated_functions_are_bound_to_the_names_they_declare():
    factory = AgentFactory.of(seo, draw)
    assert dict(factory) == {"seo": seo, "image": draw}


def test_the_specs_of_decorated_functions_extend_a_catalog():
    declared = AgentFactory({"seo": seo, "writer": writer, "image": draw}).declared
    assert [spec.name for spec in declared] == ["seo", "image"]
    assert Catalog.of(*declared).agents[AgentName("seo")].outputs == ("title",)


def test_a_function_without_declaration_is_refused():
    message = f"agent binding {repr(writer)!r}: declares no agent; decorate it with @agent(...)"
    assert refusal(AgentFactory.of, seo, writer) == message


def test_two_functions_for_one_agent_are_refused():
    @agent(name="seo")
    def other(inputs): ...

    message = "agent binding 'seo': declared by two functions; rename one of them"
    assert refusal(AgentFactory.of, seo, other) == message


def test_an_unknown_name_is_a_key_error_as_in_any_mapping():
    factory = AgentFactory({"writer": writer})
    assert "editor" not in factory
    assert factory.get("editor") is None
    with pytest.raises(KeyError):
        factory["editor"]


def test_a_dotted_path_is_imported_when_it_is_first_needed(tmp_path):
    write(tmp_path / "shop.py", "class Desk:\n    @staticmethod\n    def write(inputs): return 'text'\n")
    factory = AgentFactory({"writer": "shop:Desk.write"})
    assert "writer" in factory
    assert "shop" not in sys.modules
    assert called(factory) == "text"


def test_what_cannot_run_is_refused_by_name(tmp_path):
    write(tmp_path / "shop.py", "number = 7")
    assert (
        refusal(AgentFactory({"writer": "shop:number"}).__getitem__, "writer")
        == f"agent binding 'writer': 7 {CANNOT_RUN}"
    )
    assert (
        refusal(AgentFactory({"writer": cast("Any", None)}).__getitem__, "writer")
        == f"agent binding 'writer': None {CANNOT_RUN}"
    )


def test_further_bindings_win():
    base = AgentFactory({"writer": writer, "seo": "nowhere:at_all"})
    extended = base.extended({"seo": seo}).extended(AgentFactory({"image": draw, "later": "nowhere:at_all"}))
    assert (extended["writer"], extended["seo"], extended["image"]) == (writer, seo, draw)
    assert list(extended) == ["writer", "seo", "image", "later"]
    assert list(base) == ["writer", "seo"]


def test_prices_come_along_and_further_ones_win():
    cheap, dear = ModelPrice(input_usd=1, output_usd=2), ModelPrice(input_usd=3, output_usd=4)
    base = AgentFactory.of(seo, prices={"small": cheap, "large": cheap})
    assert base.extended({"writer": writer}).prices == {"small": cheap, "large": cheap}
    extended = base.extended(AgentFactory({"writer": writer}, prices={"large": dear}))
    assert extended.prices == {"small": cheap, "large": dear}
    assert AgentFactory({"writer": writer}).prices == {}


def test_prices_are_loaded_with_their_factory(tmp_path):
    price = "ModelPrice(input_usd=1, output_usd=2)"
    text = "from planner_graph.agents.factory import AgentFactory\n"
    text += "from planner_graph.compiler.usage import ModelPrice\n"
    write(tmp_path / "shop.py", f"{text}agents = AgentFactory({{}}, prices={{'small': {price}}})\n")
    assert AgentFactory.load("shop:agents").prices == {"small": ModelPrice(input_usd=1, output_usd=2)}


def test_something_that_is_no_price_is_refused():
    with pytest.raises(InvalidInputError, match=r"prices\['small'\]: 'cheap' is no price; write ModelPrice\("):
        AgentFactory({}, prices={"small": cast("Any", "cheap")})


def test_a_factory_serves_compile_plan():
    factory = AgentFactory.of(seo, draw).extended({"writer": writer})
    graph = compile_plan(make_plan({"writer": [], "seo": ["writer"], "image": ["writer"]}), factory)
    assert run(graph)["result"]["deliverables"] == {"seo": "title", "image": "png"}


def test_unbound_agents_are_all_named_before_anything_is_imported():
    factory = AgentFactory({"writer": "nowhere:at_all"})
    with pytest.raises(UnboundAgentsError) as caught:
        compile_plan(make_plan({"writer": [], "seo": [], "image": []}), factory)
    assert caught.value.agents == ("seo", "image")


AGENTS = "from planner_graph.catalog.catalog import agent\n@agent()\ndef writer(_): return 'text'\n"


@pytest.mark.parametrize(
    "attribute",
    [
        "{'writer': writer}",
        "[writer]",
        "(writer,)",
        "(function for function in [writer])",
        "__import__('planner_graph').AgentFactory({'writer': writer})",
    ],
)
@pytest.mark.parametrize("reference", ["shop:agents", "shop.py:agents", "./shop.py:agents"])
def test_a_mapping_a_list_or_a_factory_is_loaded_from_a_module_or_a_file(tmp_path, attribute, reference):
    write(tmp_path / "shop.py", f"{AGENTS}agents = {attribute}\n")
    factory = AgentFactory.load(reference)
    assert list(factory) == ["writer"]
    assert called(factory) == "text"


def test_a_file_is_loaded_by_its_full_path_and_finds_its_neighbours(tmp_path):
    path = write(tmp_path / "elsewhere" / "shop.py", "import neighbour\nagents = {'writer': neighbour.write}\n")
    write(tmp_path / "elsewhere" / "neighbour.py", "def write(inputs): return 'text'\n")
    assert called(AgentFactory.load(f"{path}:agents")) == "text"


def test_a_file_in_a_package_is_imported_as_part_of_it(tmp_path):
    for folder in ("house", "house/shop"):
        write(tmp_path / "far" / folder / "__init__.py", "")
    write(tmp_path / "far" / "house" / "texts.py", "TEXT = 'text'")
    path = write(
        tmp_path / "far/house/shop/desk.py", "from ..texts import TEXT\nagents = {'writer': lambda inputs: TEXT}\n"
    )
    assert called(AgentFactory.load(f"{path}:agents")) == "text"
    assert "house.shop.desk" in sys.modules


def test_a_dotted_module_is_found_in_the_working_directory(tmp_path):
    write(tmp_path / "house" / "__init__.py", "")
    write(tmp_path / "house" / "shop.py", "agents = {'writer': len}")
    assert AgentFactory.load("house.shop:agents")["writer"] is len


@pytest.mark.parametrize("name", ["agents.py", "json.py", "time.py", "tests.py"])
def test_files_of_the_same_name_do_not_take_each_others_place(tmp_path, name):
    one = write(tmp_path / "one" / name, "agents = {'writer': lambda inputs: 'one'}")
    two = write(tmp_path / "two" / name, "agents = {'writer': lambda inputs: 'two'}")
    given = [called(AgentFactory.load(f"{path}:agents")) for path in (one, two, one, two)]
    assert given == ["one", "two", "one", "two"]


def test_a_file_is_executed_only_once_however_often_it_is_named(tmp_path):
    one = write(tmp_path / "one" / "json.py", "agents = {'writer': lambda inputs: agents}")
    first, second = (resolve(f"{path}:agents") for path in (one, one))
    assert first is second


def test_a_package_whose_name_is_taken_is_refused(tmp_path):
    write(tmp_path / "json" / "__init__.py", "")
    path = write(tmp_path / "json" / "decoder.py", "agents = {}")
    message = refusal(AgentFactory.load, f"{path}:agents")
    assert message.startswith(f"agent binding '{path}:agents': its module name 'json.decoder' already belongs to ")
    assert message.endswith("decoder.py; rename the package")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("shop", "write it as package.module:attribute or path/to/file.py:attribute"),
        ("shop:", "write it as package.module:attribute or path/to/file.py:attribute"),
        (":agents", "write it as package.module:attribute or path/to/file.py:attribute"),
        ("shop:agnts", "shop has no attribute 'agnts', did you mean 'agents'?"),
        ("shop:xyzzy", "shop has no attribute 'xyzzy'; define 'xyzzy' there"),
        ("shop:agents.first.second", "shop has no attribute 'agents.first.second'; define 'agents.first.second' there"),
        ("shop.py:xyzzy", "shop.py has no attribute 'xyzzy'; define 'xyzzy' there"),
        ("shop:number", "int is no factory, mapping or list of functions decorated with @agent"),
        ("shop:text", "str is no factory, mapping or list of functions decorated with @agent"),
        ("shop:function", "function is no factory, mapping or list of functions decorated with @agent"),
        (
            "nowhere:agents",
            f"importing it failed: ModuleNotFoundError: No module named 'nowhere'; {NOT_FOUND}",
        ),
        (
            "needy:agents",
            f"importing it failed: ModuleNotFoundError: No module named 'not_there'; {NOT_FOUND}",
        ),
        ("broken:agents", "importing it failed: ZeroDivisionError: division by zero"),
        ("broken.py:agents", "importing it failed: ZeroDivisionError: division by zero"),
        ("garbled:agents", "importing it failed: SyntaxError: invalid syntax (garbled.py, line 1)"),
        ("quits:agents", "importing it failed: SystemExit: 3"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(tmp_path, reference, problem):
    write(tmp_path / "shop.py", "agents, number, text = {}, 7, 'abc'\ndef function(inputs): ...\n")
    write(tmp_path / "needy.py", "import not_there")
    write(tmp_path / "broken.py", "1 / 0")
    write(tmp_path / "garbled.py", "agents = = 1")
    write(tmp_path / "quits.py", "raise SystemExit(3)")
    assert refusal(AgentFactory.load, reference) == f"agent binding {reference!r}: {problem}"


def test_a_file_that_does_not_exist_is_named_in_full(tmp_path):
    message = f"agent binding 'shop.py:agents': no such file: {tmp_path.resolve() / 'shop.py'}; check the path"
    assert refusal(AgentFactory.load, "shop.py:agents") == message


def test_a_list_with_something_undeclared_is_refused(tmp_path):
    write(tmp_path / "shop.py", "agents = [len]")
    message = "agent binding '<built-in function len>': declares no agent; decorate it with @agent(...)"
    assert refusal(AgentFactory.load, "shop:agents") == message


def test_a_broken_file_can_be_mended_and_loaded_again(tmp_path):
    path = write(tmp_path / "elsewhere" / "json.py", "1 / 0")
    refusal(AgentFactory.load, f"{path}:agents")
    path.write_text("agents = {'writer': len}", encoding="utf-8")
    assert AgentFactory.load(f"{path}:agents")["writer"] is len


def test_a_file_younger_than_what_python_remembers_of_its_folder_is_found(tmp_path):
    write(tmp_path / "old.py", "agents = {}")
    remembered = tmp_path.stat().st_mtime_ns
    AgentFactory.load("old:agents")
    write(tmp_path / "young.py", "agents = {'writer': len}")
    os.utime(tmp_path, ns=(remembered, remembered))
    assert list(AgentFactory.load("young:agents")) == ["writer"]


def offer(folder, package, entries):
    """Install a package that offers agents, as far as Python can tell."""
    lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
    write(folder / f"{package}-1.0.dist-info" / "entry_points.txt", f"[planner_graph.agents]\n{lines}\n")
    write(folder / f"{package}-1.0.dist-info" / "METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    sys.path.insert(0, str(folder))


def test_installed_packages_offer_agents_by_entry_point(tmp_path):
    write(tmp_path / "site" / "shop.py", "def write(inputs): return 'text'")
    offer(tmp_path / "site", "shop", {"writer": "shop:write", "seo": "shop:nothing", "odd": "shop"})
    factory = AgentFactory.installed()
    assert called(factory) == "text"
    assert (
        refusal(factory.__getitem__, "seo")
        == "agent binding 'shop:nothing': shop has no attribute 'nothing'; define 'nothing' there"
    )
    assert "write it as package.module:attribute" in refusal(factory.__getitem__, "odd")


def test_installed_packages_bring_what_their_agents_declare(tmp_path, caplog):
    lines = "from planner_graph import agent\n@agent(outputs=['headline'])\ndef wizard(inputs): return 'text'"
    write(tmp_path / "site" / "wizards.py", lines)
    offer(tmp_path / "site", "wizards", {"wizard": "wizards:wizard", "broken": "wizards:nothing"})
    [spec] = AgentFactory.installed().declared
    assert (spec.name, spec.outputs) == ("wizard", ("headline",))
    assert "what agent 'broken' declares cannot be read" in caplog.text


def test_no_package_that_offers_agents_is_no_error():
    assert isinstance(AgentFactory.installed(), AgentFactory)


def test_two_packages_that_offer_the_same_agent_are_refused_unless_they_mean_the_same_body(tmp_path):
    offer(tmp_path / "one", "one", {"writer": "shop:write"})
    offer(tmp_path / "same", "same", {"writer": "shop:write"})
    assert AgentFactory.installed().bindings["writer"] == "shop:write"
    offer(tmp_path / "other", "other", {"writer": "market:write"})
    message = refusal(AgentFactory.installed)
    assert message.startswith("agent binding 'writer': installed packages offer both ")
    assert message.endswith("; remove one of them")
    assert "'shop:write'" in message
    assert "'market:write'" in message
