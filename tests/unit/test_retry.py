"""Which errors are worth another attempt, and when that begins."""

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.message import Message
from types import SimpleNamespace
from urllib.error import HTTPError

import pytest

from planner_graph.catalog.spec import Backoff
from planner_graph.compiler.failure import Failure, ReportedError
from planner_graph.compiler.retry import is_worth_retrying, seconds_to_wait
from planner_graph.errors import BodyCancelledError, BodyExitedError, BodyProcessError, OutputError

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class ServiceError(Exception):
    """What client libraries raise: ``of`` are its attributes."""

    def __init__(self, **of):
        super().__init__("no")
        self.__dict__.update(of)


class ThrottledError(ServiceError):
    pass


def failure(error):
    return Failure.of(error, NOW)


def http_error(status, **headers):
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return HTTPError("https://example.org", status, "no", message, None)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        TimeoutError(),
        OSError(),
        RuntimeError(),
        ValueError(),
        json.JSONDecodeError("no", "", 0),
        BodyCancelledError("writer"),
        BodyExitedError("writer", 1),
        BodyProcessError("writer", -9),
        Exception(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_outside_world_are_worth_another_attempt(error):
    assert is_worth_retrying(failure(error))


@pytest.mark.parametrize(
    "error",
    [
        TypeError(),
        KeyError(),
        IndexError(),
        AttributeError(),
        NameError(),
        UnboundLocalError(),
        ZeroDivisionError(),
        AssertionError(),
        ImportError(),
        ModuleNotFoundError(),
        NotImplementedError(),
        RecursionError(),
        SyntaxError(),
        OutputError("writer", "no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_the_program_are_not(error):
    assert not is_worth_retrying(failure(error))


SHAPES = {
    "OpenAI, Anthropic": lambda status: ServiceError(status_code=status),
    "httpx, requests": lambda status: ServiceError(response=SimpleNamespace(status_code=status)),
    "aiohttp": lambda status: ServiceError(status=status),
    "Google": lambda status: ServiceError(code=status),
    "urllib": http_error,
    "botocore": lambda status: ServiceError(response={"ResponseMetadata": {"HTTPStatusCode": status}}),
}


@pytest.mark.parametrize("library", SHAPES)
def test_the_status_of_an_answer_decides_whatever_library_tells_it(library):
    worth = [status for status in range(400, 600) if is_worth_retrying(failure(SHAPES[library](status)))]
    assert worth == [408, 409, 425, 429, *range(500, 600)]


@pytest.mark.parametrize(
    "of",
    [
        {"status_code": None, "response": None},
        {"code": "insufficient_quota"},
        {"code": lambda: 400},
        {"code": -32000},
        {"status": True},
        {"response": "text"},
    ],
)
def test_what_is_no_status_decides_nothing(of):
    assert failure(ServiceError(**of)).status is None
    assert is_worth_retrying(failure(ServiceError(**of)))


def test_an_error_whose_attributes_cannot_be_read_is_read_all_the_same():
    class BrokenError(Exception):
        @property
        def response(self):
            raise RuntimeError("not yet")

        status_code = headers = retry_after = response

    found = failure(BrokenError())
    assert (found.type, found.status, found.retry_after_seconds) == ("BrokenError", None, None)


def test_a_group_is_worth_it_if_all_of_its_errors_are():
    assert is_worth_retrying(failure(ExceptionGroup("x", [ConnectionError(), TimeoutError()])))
    assert not is_worth_retrying(failure(ExceptionGroup("x", [ConnectionError(), KeyError()])))
    nested = ExceptionGroup("x", [ConnectionError(), ExceptionGroup("y", [ServiceError(status=400)])])
    assert not is_worth_retrying(failure(nested))
    assert is_worth_retrying(failure(nested), retry_on=[f"{__name__}.ServiceError"])


def test_names_of_errors_override_the_default_and_mean_subclasses_too():
    assert is_worth_retrying(failure(KeyError()), retry_on=["LookupError"])
    assert not is_worth_retrying(failure(ConnectionResetError()), do_not_retry=["ConnectionError"])
    ours = [f"{__name__}.ServiceError"]
    assert not is_worth_retrying(failure(ThrottledError()), do_not_retry=ours)
    assert is_worth_retrying(failure(ThrottledError(status=400)), retry_on=ours)
    assert is_worth_retrying(failure(ValueError()), do_not_retry=ours)


def test_of_an_error_and_its_bases_the_first_that_is_named_decides():
    only_throttling = {"retry_on": [f"{__name__}.ThrottledError"], "do_not_retry": ["Exception"]}
    assert is_worth_retrying(failure(ThrottledError()), **only_throttling)
    assert not is_worth_retrying(failure(ServiceError()), **only_throttling)
    assert not is_worth_retrying(failure(ConnectionError()), **only_throttling)
    all_but_throttling = {"retry_on": ["Exception"], "do_not_retry": [f"{__name__}.ThrottledError"]}
    assert not is_worth_retrying(failure(ThrottledError()), **all_but_throttling)
    assert is_worth_retrying(failure(TypeError()), **all_but_throttling)


def test_a_bare_name_means_the_built_in_error_only():
    class TimeoutError(Exception):  # noqa: A001
        pass

    assert not is_worth_retrying(failure(OSError()), do_not_retry=["OSError"])
    assert is_worth_retrying(failure(TimeoutError()), do_not_retry=["TimeoutError"])


PLAIN = Backoff(initial_seconds=2, max_seconds=60, jitter=0)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (ServiceError(), 2),
        (ServiceError(retry_after=7), 7),
        (ServiceError(retry_after="7.5"), 7.5),
        (ServiceError(retry_after=timedelta(seconds=8)), 8),
        (ServiceError(headers={"retry-after": "9"}), 9),
        (ServiceError(response=SimpleNamespace(headers={"Retry-After": "9"})), 9),
        (ServiceError(response=SimpleNamespace(headers={"retry-after-ms": "2500", "retry-after": "3"})), 2.5),
        (ServiceError(response={"ResponseMetadata": {"HTTPHeaders": {"retry-after": "11"}}}), 11),
        (http_error(429, Retry_After="12"), 12),
        (http_error(429, Retry_After="Tue, 01 Jan 2030 00:00:30 GMT"), 30),
        (http_error(429, Retry_After="Tue, 01 Jan 2030 00:00:30 -0000"), 30),
        (http_error(429, Retry_After="Mon, 31 Dec 2029 00:00:00 GMT"), 2),
        (ServiceError(retry_after=1), 2),
        (ServiceError(retry_after=3600), 60),
        (ServiceError(retry_after=-5), 2),
        (ServiceError(retry_after="soon"), 2),
        (ServiceError(retry_after=math.nan), 2),
        (ServiceError(retry_after="1e999"), 2),
        (ServiceError(retry_after=object(), headers=object(), response=object()), 2),
        (ExceptionGroup("x", [ServiceError(retry_after=5), ServiceError(retry_after=6), ValueError()]), 6),
    ],
)
def test_an_answer_that_asks_to_wait_is_waited_for_up_to_the_maximum(error, seconds):
    assert seconds_to_wait(failure(error), PLAIN, 1, 0.0) == pytest.approx(seconds)


def test_those_who_are_told_the_same_time_do_not_come_back_at_the_same_moment_and_never_too_early():
    backoff = Backoff(initial_seconds=2, max_seconds=60, jitter=0.5)
    told = failure(ServiceError(retry_after=40))
    assert [seconds_to_wait(told, backoff, 1, chance) for chance in (0, 0.5, 0.999)] == [40, 50, pytest.approx(59.98)]
    assert seconds_to_wait(failure(ServiceError(retry_after=55)), backoff, 1, 0.999) == 60


def test_a_failure_survives_the_way_through_json():
    found = failure(
        ExceptionGroup("x", [ServiceError(status=429, retry_after=3), ExceptionGroup("y", [KeyError("k")])])
    )
    came_over = Failure.from_json(json.loads(json.dumps(asdict(found))))
    assert came_over == found
    assert failure(ReportedError(came_over)) == found
