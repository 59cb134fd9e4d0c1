"""What is asked of a run may stand in the query, as in ``?action=pause``."""

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from planner_graph.server.requests import Control


@pytest.fixture
def client():
    app = FastAPI()

    @app.post("/control")
    async def control(wanted: Control) -> dict[str, Any]:
        return wanted.model_dump(mode="json", exclude_unset=True)

    return TestClient(app)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("action=pause", {"action": "pause", "reason": None}),
        ("action=cancel&reason=tea", {"action": "cancel", "reason": "tea"}),
    ],
)
def test_an_action_and_its_reason_may_stand_in_the_query(client, query, expected):
    answer = client.post(f"/control?{query}")
    assert (answer.status_code, answer.json()) == (200, expected)


def test_the_body_does_as_before(client):
    assert client.post("/control", json={"action": "pause"}).json() == {"action": "pause"}


@pytest.mark.parametrize(
    ("query", "body", "message"),
    [
        ("", None, "name an action"),
        ("?action=approve", None, "needs the agent"),
        ("?action=pause", {"action": "cancel"}, "not in both"),
        ("?action=sleep", None, "Input should be"),
        ("?action=pause&agent=a", None, "Extra inputs"),
    ],
)
def test_what_is_not_clear_is_refused(client, query, body, message):
    answer = client.post(f"/control{query}", json=body) if body else client.post(f"/control{query}")
    assert answer.status_code == 422
    assert message in answer.text
