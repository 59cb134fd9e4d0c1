"""Exit codes: how a command tells the shell what came of it."""

from enum import IntEnum

from planner_graph.types import RunStatus

BROKEN_PIPE = 141
"""What a shell reports of a program whose reader has gone: 128 and the number of SIGPIPE."""


class ExitCode(IntEnum):
    """What the shell gets; other programs rely on these numbers."""

    COMPLETED = 0
    FAILED = 1
    BAD_INPUT = 2
    PARTIAL_SUCCESS = 3
    STOPPED = 4


def exit_code(status: RunStatus) -> ExitCode:
    """Give the exit code of a command that left a run in ``status``."""
    match status:
        case RunStatus.COMPLETED:
            return ExitCode.COMPLETED
        case RunStatus.PARTIAL_SUCCESS:
            return ExitCode.PARTIAL_SUCCESS
        case RunStatus.FAILED:
            return ExitCode.FAILED
        case _:
            return ExitCode.STOPPED
