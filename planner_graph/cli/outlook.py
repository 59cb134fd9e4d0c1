"""Says in words when a run will end, what decides over it, and who waits for whom."""

from datetime import datetime

from planner_graph.cli.account import LONGEST_SILENCE
from planner_graph.mirror.blocking import Blocked, span
from planner_graph.mirror.overdue import Overdue
from planner_graph.mirror.progress import Eta
from planner_graph.planning.explanation import duration_text

TO_THE_SECOND = 600.0
"""Seconds before its end from which on an end is told to the second."""


def eta_text(eta: Eta, now: datetime) -> str:
    """Say when a run should end; times of day are those of the zone of ``now``.

    >>> from datetime import UTC
    >>> eta = Eta(p50=None, p90=None, p50_seconds=2800.0, p90_seconds=3200.5)
    >>> eta_text(eta, datetime(2026, 3, 1, 12, tzinfo=UTC))
    'takes about 46 min 40 s more; 9 times of 10 within 53 min 20 s'
    >>> eta["p50"], eta["p90"] = "2026-03-01T12:46:40+00:00", "2026-03-01T12:53:20+00:00"
    >>> eta_text(eta, datetime(2026, 3, 1, 12, tzinfo=UTC))
    'ends about 12:46 (in 46 min 40 s); 9 times of 10 by 12:53'
    """
    likely, latest = eta["p50"], eta["p90"]
    if likely is None or latest is None:
        seconds = eta["p50_seconds"], eta["p90_seconds"]
        return f"takes about {span(seconds[0])} more; 9 times of 10 within {span(seconds[1])}"
    precise = eta["p90_seconds"] < TO_THE_SECOND
    times = [_clock(datetime.fromisoformat(time), now, precise=precise) for time in (likely, latest)]
    return f"ends about {times[0]} (in {span(eta['p50_seconds'])}); 9 times of 10 by {times[1]}"


def path_text(path: list[str]) -> str:
    """Say what decides over the end.

    >>> path_text(["writer", "editor"])
    'decided by writer -> editor'
    """
    return f"decided by {' -> '.join(path)}"


def brief_reason(why: Blocked) -> str:
    """Say in few words why an agent waits.

    >>> brief_reason(Blocked(waits_for=["writer", "image"], reason="waits for 'writer' (hard), which waits itself"))
    'waits for writer, image'
    >>> brief_reason(Blocked(waits_for=[], reason="ready, starts next"))
    'ready, starts next'
    """
    return f"waits for {', '.join(why['waits_for'])}" if why["waits_for"] else why["reason"]


def overdue_text(late: Overdue) -> str:
    """Say that an agent takes longer than it should, and what happens next.

    >>> overdue_text(Overdue(running_seconds=725.4, expected_seconds=540.0, next="stops at 30 min, then it has failed"))
    'overdue: at work for 12 min 5 s, expected at most 9 min; stops at 30 min, then it has failed'
    """
    running, expected = span(late["running_seconds"]), duration_text(late["expected_seconds"])
    return f"overdue: at work for {running}, expected at most {expected}; {late['next']}"


def silence_text(silent_seconds: float) -> str:
    """Say that a run that should go on does not show any life; nothing if it does.

    >>> silence_text(1.0)
    ''
    >>> silence_text(125.0)
    'no sign of life for 2 min 5 s; it may hang, or cannot reach the database'
    """
    if silent_seconds <= LONGEST_SILENCE:
        return ""
    return f"no sign of life for {span(silent_seconds)}; it may hang, or cannot reach the database"


def _clock(time: datetime, now: datetime, *, precise: bool) -> str:
    local = time.astimezone(now.tzinfo)
    day = "" if local.date() == now.date() else f"{local:%Y-%m-%d} "
    return f"{day}{local:%H:%M:%S}" if precise else f"{day}{local:%H:%M}"
