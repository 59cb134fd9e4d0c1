"""Delivers what a run has given: on the screen and as files."""

from dataclasses import replace
from pathlib import Path

from planner_graph.cli import screen
from planner_graph.cli.account import Account, account_json
from planner_graph.cli.files import write_files
from planner_graph.cli.results import as_files
from planner_graph.cli.summary import account_text
from planner_graph.errors import InvalidInputError
from planner_graph.planning.pictures.svg import to_svg

PICTURE = "plan.svg"


def show(account: Account, *, as_json: bool) -> None:
    """Show how a run stands."""
    if as_json:
        screen.show_json(account_json(account))
    else:
        screen.show(*account_text(account))


def write(account: Account, folder: Path) -> Account:
    """Write the deliverables and the picture of the plan, and note in the account where they are.

    Files are the user's own product, so they hold the values as they are; those of secrets only the user may read.

    Raises:
        InvalidInputError: they cannot be written there.
    """
    names, files = as_files(account.deliverables, {PICTURE: to_svg(account.plan).encode()}, account.outputs)
    private = [names[name] for name in account.plan.hidden_deliverables if name in names]
    try:
        write_files(folder, files, private=private)
    except InvalidInputError as error:
        error.add_note(
            f"the run has ended; write its files elsewhere: planner-graph status {account.row.run_id} --output DIR"
        )
        raise
    written = {name: folder / file for name, file in names.items()}
    return replace(account, files=written, picture=folder / list(files)[-1])
