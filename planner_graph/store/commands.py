"""What may be asked of a run in which state, and what comes of it: pure, so that the table in the docs is this one."""

from dataclasses import dataclass
from enum import StrEnum

from planner_graph.types import RunStatus


class Command(StrEnum):
    """What can be asked of a run."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of a command: the run's status from now on, and that in words.

    ``refused`` commands change nothing, nor do those that ask for what is so already. ``execute`` says that whoever
    asked should execute the run.
    """

    status: RunStatus
    says: str
    refused: bool = False
    execute: bool = False


def answer(status: RunStatus, command: Command, *, held: bool) -> Answer:
    """Give what comes of a command to a run in this status; ``held`` tells whether a process executes it."""
    if status.ended:
        return _to_an_ended_run(status, command)
    match command:
        case Command.PAUSE:
            return _pause(status, held=held)
        case Command.RESUME:
            return _resume(status, held=held)
        case Command.CANCEL:
            return _cancel(status, held=held)


def _to_an_ended_run(status: RunStatus, command: Command) -> Answer:
    if status is RunStatus.CANCELLED and command is Command.CANCEL:
        return Answer(status, "it is cancelled already")
    return Answer(status, f"it has ended as {status.value!r}", refused=True)


def _pause(status: RunStatus, *, held: bool) -> Answer:
    if status is RunStatus.PAUSED:
        return Answer(status, "it is paused already")
    if status is RunStatus.CANCELLING:
        return Answer(status, "it is being cancelled", refused=True)
    if not held:
        return Answer(RunStatus.PAUSED, "paused; nobody was executing it")
    if status is RunStatus.PAUSING:
        return Answer(status, "it is being paused already")
    return Answer(RunStatus.PAUSING, "no further agent starts; it is paused when those that run have ended")


def _resume(status: RunStatus, *, held: bool) -> Answer:
    if status is RunStatus.CANCELLING:
        return Answer(status, "it is being cancelled", refused=True)
    if not held:
        return Answer(RunStatus.RUNNING, "it goes on", execute=True)
    if status is RunStatus.PAUSING:
        return Answer(status, "it is being paused; resume it when it is", refused=True)
    return Answer(status, "it is being executed already", refused=True)


def _cancel(status: RunStatus, *, held: bool) -> Answer:
    # Who holds a paused run has just paused it, and does not listen any more, or is about to start it, and will not.
    if not held or status is RunStatus.PAUSED:
        return Answer(RunStatus.CANCELLED, "cancelled; nobody was executing it")
    if status is RunStatus.CANCELLING:
        return Answer(status, "it is being cancelled already")
    return Answer(RunStatus.CANCELLING, "no further agent starts; those that run may end soon, then they are stopped")


def table() -> list[tuple[RunStatus, bool, dict[Command, Answer]]]:
    """Give what comes of every command in every status; the second item tells whether a process executes the run."""
    return [
        (status, held, {command: answer(status, command, held=held) for command in Command})
        for status in RunStatus
        for held in (False, True)
        if not (status.ended and held)
    ]
