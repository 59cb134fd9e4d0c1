"""Every command and option says what it does, on the screen and in the docs."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from planner_graph.cli.app import Commands, app
from planner_graph.cli.exits import ExitCode, exit_code
from planner_graph.types import RunStatus

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def commands() -> Iterator[tuple[str, Any]]:
    """Give every command with its full name, loaded."""
    root: Any = typer.main.get_command(app)
    yield "planner-graph", root
    context = typer.Context(root)
    for name in Commands.summaries:
        _, command, _ = root.resolve_command(context, [name])
        yield f"planner-graph {name}", command
        for below, nested in getattr(command, "commands", {}).items():
            yield f"planner-graph {name} {below}", nested


ALL = dict(commands())
LEAVES = {name for name, command in ALL.items() if not hasattr(command, "commands")} | {"planner-graph"}


@pytest.mark.parametrize("name", ALL)
def test_a_command_says_what_it_does(name):
    assert ALL[name].help


@pytest.mark.parametrize("name", ALL)
def test_every_argument_and_option_says_what_it_does(name):
    silent = [parameter.name for parameter in ALL[name].params if not getattr(parameter, "help", None)]
    assert silent == []


@pytest.mark.parametrize("name", Commands.summaries)
def test_the_list_of_commands_says_the_same_as_the_command(name):
    assert ALL[f"planner-graph {name}"].help.splitlines()[0] == Commands.summaries[name]


def sections() -> dict[str, str]:
    """Give the text below each heading of the docs that is a command, up to the next heading."""
    _, *parts = re.split(r"^#+ (.*)$", DOCS.read_text(), flags=re.MULTILINE)
    texts = dict(zip(parts[::2], parts[1::2], strict=True))
    return {name(heading): text for heading, text in texts.items() if heading.startswith("`planner-graph")}


def name(heading: str) -> str:
    """Give the full name of the command that a heading shows with its arguments.

    >>> name("`planner-graph catalog show NAME`")
    'planner-graph catalog show'
    """
    return " ".join(word for word in heading.strip("`").split() if word.islower())


def test_the_docs_have_a_section_for_each_command_and_no_other():
    assert set(sections()) == LEAVES


@pytest.mark.parametrize("command", sorted(LEAVES))
def test_the_docs_say_what_each_option_does(command):
    documented = set(re.findall(r"`(-{1,2}[a-z-]+)", sections()[command]))
    given = [option for parameter in ALL[command].params for option in (*parameter.opts, *parameter.secondary_opts)]
    options = {option for option in given if option.startswith("-")}
    assert documented == options - {"--help"}


def test_the_docs_say_what_each_exit_code_means():
    rows = re.findall(r"^\| (\d+) \|", DOCS.read_text(), flags=re.MULTILINE)
    assert rows == [str(code.value) for code in ExitCode]


@pytest.mark.parametrize("status", RunStatus)
def test_a_run_ends_with_the_exit_code_of_its_status(status):
    ended = {RunStatus.COMPLETED: 0, RunStatus.FAILED: 1, RunStatus.PARTIAL_SUCCESS: 3}
    assert exit_code(status) == ended.get(status, 4)
