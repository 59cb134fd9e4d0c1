"""What clients get wrong, on a live server: the right status, a problem that says what is wrong, nothing changed."""

import json

import pytest

JSON = {"Content-Type": "application/json"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def told(answer, status, kind):
    """Check that an answer is a problem of a kind, and give its members."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].partition(";")[0] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == f"/problems/{kind}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    return problem


def number_of_runs(served):
    return len(served.client.get("/workflows", params={"limit": 500}).json()["items"])


@pytest.mark.parametrize("path", ["", "/progress", "/plan", "/schedule", "/events", "/agents/digger"])
@pytest.mark.parametrize("run", [UNKNOWN, "0000", "abc", "not-a-run", "%2e%2e", "%00", "x" * 5_000, "é"])
def test_an_unknown_run_is_not_found(served, run, path):
    assert "run" in told(served.client.get(f"/workflows/{run}{path}"), 404, "run-not-found")["detail"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"action": "explode"}, "pause"),
        ({}, "action"),
        ({"action": "pause", "why": "typo"}, "why"),
        ({"action": "pause", "agent": "digger"}, "no meaning"),
        ({"action": "approve"}, "needs the agent"),
        ({"action": "reject", "agent": "judge", "answer": 1}, "reject answers false"),
        ({"action": "pause", "reason": 5}, "reason"),
        ({"action": "pause", "reason": "x" * 1_001}, "reason"),
        ({"action": "pause", "reason": "half \ud800"}, "reason"),
        ([1], "dictionary"),
    ],
)
def test_a_command_that_makes_no_sense_changes_nothing(served, body, words):
    run_id = served.start("facts")
    before = served.ended(run_id)
    answer = served.client.post(f"/workflows/{run_id}/control", content=json.dumps(body), headers=JSON)
    problem = told(answer, 422, "invalid-request")
    assert words in json.dumps(problem["findings"])
    assert served.run(run_id) == before


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [
        ('{"campaign": {', 400, "malformed-request"),
        ("", 422, "invalid-request"),
        ("[]", 422, "invalid-request"),
        ('"text"', 422, "invalid-request"),
        ("null", 422, "invalid-request"),
        ('{"campaign": 3}', 422, "invalid-request"),
        ('{"campaign": {}, "campaign_id": "x"}', 422, "invalid-request"),
        ('{"campaign_id": "a\\u0000b"}', 422, "invalid-request"),
        ('{"campaign": {}, "strategy": "fast"}', 422, "invalid-request"),
        ('{"campaign": {}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["nothing"]}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["facts"], "brief": "\\ud800"}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["facts"], "brief": "\\u0000"}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["facts"], "id": "\\u001b[2J"}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["facts"], "sources": ["../../etc/passwd"]}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["facts"], "sources": ["/etc/passwd"]}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["facts"], "provided": {"a": NaN}}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["facts"], "provided": {"a": 1e999}}}', 422, "invalid-campaign"),
        ('{"campaign": {"deliverables": ["facts"], "limits": {"max_parallel": -1}}}', 422, "invalid-campaign"),
    ],
)
@pytest.mark.parametrize("path", ["/workflows", "/plans"])
def test_a_request_that_cannot_be_planned_says_why_and_starts_nothing(served, path, text, status, kind):
    before = number_of_runs(served)
    problem = told(served.client.post(path, content=text, headers=JSON), status, kind)
    assert kind == "malformed-request" or problem["findings"][0]["problem"]
    assert number_of_runs(served) == before


def test_everything_wrong_with_a_campaign_is_told_at_once(served):
    campaign = {"idx": "x", "tasks": 3, "deliverables": ["nothing", "facts"], "sources": ["../up"]}
    problem = told(served.client.post("/campaigns", json={"campaign": campaign}), 422, "invalid-campaign")
    assert [(finding["key"], bool(finding["remedy"])) for finding in problem["findings"]] == [
        ("tasks", True),
        ("idx", True),
        ("sources[0]", True),
        ("deliverables[0]", True),
    ]


def test_agents_without_code_are_named_before_anything_is_stored(served):
    before = number_of_runs(served)
    problem = told(
        served.client.post("/workflows", json={"campaign": {"type": "blog_creation"}}), 422, "unbound-agents"
    )
    assert "planner" in problem["agents"]
    assert number_of_runs(served) == before


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "many"},
        {"status": "happy"},
        {"strategy": "fast"},
        {"created_after": "yesterday"},
        {"created_after": "2026-01-01T00:00:00"},
        {"campaign": "a\0b"},
        {"colour": "red"},
    ],
)
def test_a_list_that_cannot_be_made_is_refused(served, query):
    told(served.client.get("/workflows", params=query), 422, "invalid-request")


@pytest.mark.parametrize("cursor", ["", "abc", "!!", "WzEsMl0", "bnVsbA", "x" * 3_000, "é"])
def test_a_cursor_that_nobody_gave_is_refused(served, cursor):
    told(served.client.get("/workflows", params={"cursor": cursor}), 400, "bad-cursor")


@pytest.mark.parametrize("query", [{"after": "-1"}, {"after": str(2**63)}, {"limit": "1001"}, {"after": "x"}])
def test_events_that_cannot_be_are_refused(served, query):
    run_id = served.start("facts")
    told(served.client.get(f"/workflows/{run_id}/events", params=query), 422, "invalid-request")


def test_other_things_that_are_not_there_are_told(served):
    run_id = served.start("facts")
    unknown = told(served.client.get(f"/workflows/{run_id}/agents/ghost"), 404, "agent-not-found")
    assert unknown["agents"] == ["digger"]
    told(served.client.get("/history", params={"agent": "ghost"}), 404, "agent-not-found")
    told(served.client.get("/nothing"), 404, "not-found")
    told(served.client.get("/workflows/"), 404, "not-found")
    told(served.client.get("/%2e%2e/%2e%2e/etc/passwd"), 404, "not-found")
    told(served.client.delete(f"/workflows/{run_id}"), 405, "method-not-allowed")
    offered = told(
        served.client.get(f"/workflows/{run_id}/plan", headers={"Accept": "text/html"}), 406, "not-acceptable"
    )
    assert "image/svg+xml" in offered["offered"]
    told(served.client.get(f"/workflows/{run_id}/plan", params={"format": "pdf"}), 422, "invalid-request")


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_has_a_length(served, key):
    campaign = {"campaign": {"deliverables": ["facts"]}}
    answer = served.client.post("/workflows", json=campaign, headers={"Idempotency-Key": key})
    told(answer, 422, "invalid-request")


def test_texts_of_a_campaign_come_back_as_they_were_sent(served):
    attack = "<script>alert(1)</script>\n\x1b[31m\u202e{{7*7}}';--"
    run_id = served.start("facts", id="attack", name=attack, brief=attack)
    ended = served.ended(run_id)
    assert ended["campaign"] == {"key": "attack", "name": attack}
    assert ended["result"]["deliverables"]["facts"]["about"] == attack
    picture = served.client.get(f"/workflows/{run_id}/plan", params={"format": "svg"})
    assert "<script" not in picture.text
