"""What clients that follow a run are sent: JSON texts, each made once for all of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from planner_graph.server.responses import EventItem, RunItem
from planner_graph.store.rows import EventRow
from planner_graph.types import RunStatus


@dataclass(frozen=True, slots=True)
class Frame:
    """A JSON text; ``sequence`` is the event that it tells or that it follows, 0 where there is none."""

    text: str
    sequence: int = 0

    def as_event(self) -> bytes:
        """Give it as a server-sent event; its id is the sequence number."""
        head = f"id: {self.sequence}\n" if self.sequence else ""
        return f"{head}data: {self.text}\n\n".encode()


def event_frame(row: EventRow) -> Frame:
    """Tell what happened."""
    return Frame(f'{{"type":"event",{EventItem.of(row).model_dump_json()[1:]}', row.sequence)


def snapshot_frame(sequence: int, progress: bytes, run: RunItem) -> Frame:
    """Tell how a run stands after the event with this sequence number; ``progress`` is JSON."""
    head = f'{{"type":"snapshot","sequence":{sequence},"progress":'
    return Frame(f'{head}{progress.decode()},"run":{run.model_dump_json()}}}', sequence)


def run_frame(run: RunItem) -> Frame:
    """Tell how a run of the list stands."""
    return Frame(f'{{"type":"run","run":{run.model_dump_json()}}}')


def ping_frame(at: datetime) -> Frame:
    """Tell that the connection is alive though nothing happens."""
    return Frame(_text({"type": "ping", "at": at.isoformat()}))


def end_frame(status: RunStatus) -> Frame:
    """Tell that the run has ended, and that all was told."""
    return Frame(_text({"type": "end", "status": status.value}))


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
