"""Imports a command when it is first asked for, so that planning never loads LangGraph or a database driver."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer.main
from typer.core import TyperCommand, TyperGroup


def module(name: str) -> Any:
    """Import the module ``name`` of this package."""
    return import_module(f"planner_graph.cli.{name}")


class LazyGroup(TyperGroup):
    """A group whose commands live in ``commands/``, in modules of their own that hold a Typer called ``app``.

    ``summaries`` maps the name of each command to the first line of its help, which is all that listing it takes.
    """

    summaries: ClassVar[Mapping[str, str]]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, summary in self.summaries.items():
            self.add_command(TyperCommand(name, help=summary), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that ``args`` begin with, and load it in place of its summary."""
        name = args[0]
        if name in self.summaries:
            command = typer.main.get_command(module(f"commands.{name}").app)
            command.name = name
            self.add_command(command, name)
        return super().resolve_command(ctx, args)
