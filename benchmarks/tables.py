"""Prints figures as tables."""

import argparse
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from planner_graph import open_database
from planner_graph.store.database import Database

Figures = dict[str, Any]
MOST_COLUMNS = 7
"""A table with more of them, and with fewer rows, is shown on its side."""

Part = Callable[[Database], Awaitable[list[Figures]]]


async def measure(parts: Mapping[str, Part], description: str | None) -> None:
    """Measure the parts that the command line asks for, and print what they give."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--only", choices=parts, help="measure this part only")
    parser.add_argument("--json", type=Path, help="store the figures in this file")
    parser.add_argument("--dsn", help="database; the embedded one by default")
    options = parser.parse_args()
    figures = {}
    async with open_database(options.dsn) as database:
        for name, part in parts.items():
            if options.only in {None, name}:
                figures[name] = await part(database)
                show((part.__doc__ or name).strip(), figures[name])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def show(title: str, rows: list[Figures]) -> None:
    """Print rows as a table."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [[_text(row.get(column, "")) for column in columns] for row in rows]
    if len(columns) > max(MOST_COLUMNS, len(rows)):
        lines = [list(line) for line in zip(columns, *lines, strict=True)]
        columns = [""] * (len(rows) + 1)
    table = Table(*columns, title=title, show_header=any(columns))
    for line in lines:
        table.add_row(*line)
    Console().print(table)


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
