"""Requests made from the OpenAPI document, good ones and bad ones: nothing fails, and no answer is undocumented."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.application import operations

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

ENDLESS = ("/stream",)
"""What the paths end with whose answers go on for as long as the run does; they have tests of their own."""


def can_be_wrong(told):
    """Tell whether there is anything in a request that its types forbid; any text is good in a path."""
    return "requestBody" in told or any(parameter["in"] != "path" for parameter in told.get("parameters", ()))


PROBED = [
    pytest.param(operation, mode, id=f"{' '.join(operation)} {mode.value}")
    for operation, told in operations().items()
    if not operation[1].endswith(ENDLESS)
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or can_be_wrong(told)
]


@pytest.fixture(scope="module")
def document(served):
    return httpx.get(f"{served.url}/api/v2/openapi.json").json()


@pytest.fixture(scope="module")
def known(served):
    """What paths may name that is there."""
    run_id = served.start("facts", "post")
    served.ended(run_id)
    return {"run": run_id, "name": "digger"}


@pytest.mark.parametrize(("operation", "mode"), PROBED)
def test_every_answer_is_documented(served, document, known, operation, mode):
    method, path = operation
    probed = schemathesis.openapi.from_dict(document)[path][method]
    named = {name: value for name, value in known.items() if f"{{{name}}}" in path}
    fixed = {"path_parameters": named} if named and mode is GenerationMode.NEGATIVE else {}  # any text is good there

    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=probed.as_strategy(generation_mode=mode, **fixed))
    def probe(case):
        case.call_and_validate(base_url=served.url, checks=CHECKS)
        if case.path_parameters:
            case.path_parameters.update(named)
            case.call_and_validate(base_url=served.url, checks=CHECKS)

    probe()
