"""What may be asked of a run in which state, and what comes of it."""

from itertools import product
from pathlib import Path

import pytest

from planner_graph.store.commands import Command, answer, table
from planner_graph.types import RunStatus

DOCUMENT = Path(__file__).parents[2] / "docs" / "durability.md"
EVERYTHING = list(product(RunStatus, Command, [False, True]))


@pytest.mark.parametrize(("status", "command", "held"), EVERYTHING)
def test_asking_again_changes_nothing_more(status, command, held):
    first = answer(status, command, held=held)
    if not (first.refused or first.execute):
        assert answer(first.status, command, held=held).status is first.status
        assert not answer(first.status, command, held=held).refused


@pytest.mark.parametrize(("status", "command", "held"), EVERYTHING)
def test_what_is_refused_stays_as_it_is(status, command, held):
    given = answer(status, command, held=held)
    assert given.says
    if given.refused:
        assert given.status is status
        assert not given.execute


@pytest.mark.parametrize("status", [status for status in RunStatus if status.ended])
def test_what_has_ended_does_not_change(status):
    for command, held in product(Command, [False, True]):
        assert answer(status, command, held=held).status is status


@pytest.mark.parametrize("held", [False, True])
def test_a_cancel_is_not_taken_back(held):
    for command in (Command.PAUSE, Command.RESUME):
        assert answer(RunStatus.CANCELLING, command, held=held).refused


def test_a_run_that_a_process_executes_is_asked_and_one_that_none_does_is_changed():
    assert answer(RunStatus.RUNNING, Command.PAUSE, held=True).status is RunStatus.PAUSING
    assert answer(RunStatus.RUNNING, Command.PAUSE, held=False).status is RunStatus.PAUSED
    assert answer(RunStatus.RUNNING, Command.CANCEL, held=True).status is RunStatus.CANCELLING
    assert answer(RunStatus.RUNNING, Command.CANCEL, held=False).status is RunStatus.CANCELLED
    assert answer(RunStatus.PAUSED, Command.RESUME, held=False).execute
    assert answer(RunStatus.RUNNING, Command.RESUME, held=True).refused


def test_the_table_in_the_docs_is_the_one_of_the_code():
    assert "\n".join(lines()) in DOCUMENT.read_text(encoding="utf-8"), "write it anew:\n" + "\n".join(lines())


def lines() -> list[str]:
    """Write the table as Markdown."""
    head = ["state", "a process executes it", *(f"`{command}`" for command in Command)]
    rows = [head, ["---"] * len(head)]
    for status, held, answers in table():
        executed = "" if status.ended else "yes" if held else "no"
        rows.append([f"`{status}`", executed, *(cell(status, given) for given in answers.values())])
    return [f"| {' | '.join(row)} |" for row in rows]


def cell(status, given):
    if given.refused:
        return f"refused: {given.says}"
    return given.says if given.status is status else f"`{given.status}`: {given.says}"
