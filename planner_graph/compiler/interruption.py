"""Tells what a body raised by itself from what the process or the event loop raised in it."""

import dis

_RAISE = dis.opmap["RAISE_VARARGS"]


def comes_from_outside(error: BaseException) -> bool:
    """Tell whether an error was put into a body: Ctrl-C as the signal's handler raises it, or the end of its coroutine.

    Both look like what a body may raise itself. But those arise between two instructions or at an ``await``, whereas a
    body's own begin with a ``raise`` statement, in whichever thread, or are put into a group without being raised.
    """
    if isinstance(error, BaseExceptionGroup):
        return any(map(comes_from_outside, error.exceptions))
    return isinstance(error, KeyboardInterrupt | GeneratorExit) and not _is_own(error)


def _is_own(error: BaseException) -> bool:
    """Tell whether the innermost place that an error came through is a ``raise`` statement, or there is no place."""
    trace = error.__traceback__
    if trace is None:
        return True
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE
