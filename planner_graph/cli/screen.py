"""Writes to the terminal: tables, findings, messages, JSON. Text of others is made safe before it is shown.

Results go to standard output; progress, messages and findings go to standard error.
"""

import errno
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from planner_graph.errors import Finding
from planner_graph.redaction import redacted
from planner_graph.text import one_line, printable, utf8

UNLIMITED = 10_000
"""Columns where the output is no terminal: a line stays a line, however long."""


class Screen(Console):
    """A console that lets the program decide what it means that its reader has gone."""

    def on_broken_pipe(self) -> None:
        """Say so, instead of ending the process."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(*, stderr: bool = False) -> Console:
    """Give a console on standard output or standard error; colours follow the terminal and ``NO_COLOR``."""
    made = Screen(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = UNLIMITED
    return made


def show(*items: RenderableType) -> None:
    """Write results to standard output, one below the other; without padding where it is no terminal."""
    screen = console()
    if screen.is_terminal:
        screen.print(*items, sep="\n")
        return
    with screen.capture() as captured:
        screen.print(*items, sep="\n")
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    sys.stdout.flush()


def show_bytes(data: bytes) -> None:
    """Write ``data`` to standard output as it is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def show_json(value: Any) -> None:
    """Write one JSON document to standard output, in UTF-8 whatever the terminal speaks."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    show_bytes(utf8(f"{text}\n"))


@contextmanager
def only_results(*, wanted: bool = True) -> Iterator[None]:
    """Send what others write to standard output to standard error instead, if ``wanted``; subprocesses included.

    Agents print, and so does what they import; a document for machines must stay alone.
    """
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(sys.stdout.fileno())
    try:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, sys.stdout.fileno())
        os.close(kept)


def tell(message: str, *, style: str = "") -> None:
    """Write a message to standard error, without what looks like a secret."""
    console(stderr=True).print(Text(printable(redacted(message)), style=style), soft_wrap=True)


def complain(problem: str | Text, remedy: str = "") -> None:
    """Write to standard error what went wrong, without what looks like a secret, and below that what to do."""
    text = Text.assemble(
        ("error: ", "bold red"), problem if isinstance(problem, Text) else printable(redacted(problem))
    )
    if remedy:
        text.append(f"\n    {printable(remedy)}", style="green")
    console(stderr=True).print(text, soft_wrap=True)


def complain_of(findings: Sequence[Finding]) -> None:
    """Write to standard error everything that is wrong with the input."""
    if len(findings) == 1:
        complain(finding_text(findings[0]))
        return
    complain(f"the input has {len(findings)} problems")
    screen = console(stderr=True)
    for finding in findings:
        screen.print(finding_text(finding), soft_wrap=True)


def finding_text(finding: Finding) -> Text:
    """Write a finding: where it is and what is wrong, and below that what to do."""
    place = ":".join(str(part) for part in (finding.file, finding.line) if part is not None)
    text = Text()
    for where in (place, finding.key):
        if where:
            text.append(f"{one_line(where)}: ", style="bold")
    text.append(one_line(finding.problem))
    if finding.remedy:
        text.append(f"\n    {one_line(finding.remedy)}", style="green")
    return text


def table(*columns: str, numbers: Iterable[str] = (), wide: Iterable[str] = ()) -> Table:
    """Give an empty table; columns in ``numbers`` are set to the right, those in ``wide`` may be cut or wrapped."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    right, flexible = set(numbers), set(wide)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=name not in flexible,
            overflow="fold" if name in flexible else "ellipsis",
        )
    return made


def cells(*values: object) -> list[Text]:
    """Give the cells of one row of a table, as safe text; ``None`` stays empty."""
    return [
        value if isinstance(value, Text) else Text(one_line("" if value is None else str(value))) for value in values
    ]
