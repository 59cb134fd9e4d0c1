"""Runs over HTTP, on a live server: start, list, look at, ask."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from planner_graph.mirror.progress import ProgressReport

CAMPAIGN = {"id": "sound", "brief": "facts", "deliverables": ["facts", "post"]}


def test_a_run_is_started_found_and_ends_with_its_deliverables(served):
    answer = served.client.post("/workflows", json={"campaign": CAMPAIGN, "strategy": "sequential"})
    assert answer.status_code == 201
    started = answer.json()
    run_id = started["workflow_execution_id"]
    assert answer.headers["Location"] == started["links"]["self"] == f"/api/v2/workflows/{run_id}"
    run = served.ended(run_id)
    assert run["status"] == "completed"
    assert run["result"]["deliverables"] == {"facts": {"about": "facts", "count": 2}, "post": "<p>facts</p>"}
    assert run["campaign"] == {"key": "sound", "name": ""}
    none = dict.fromkeys(("running", "failed", "skipped", "cancelled", "interrupted", "waiting"), 0)
    assert run["counts"] == none | {"completed": 2}
    assert (run["progress_percentage"], run["strategy"], run["left_behind"]) == (100, "sequential", False)
    assert (run["allowed_actions"], run["questions"]) == ([], [])
    assert run["plan_hash"] == started["plan_hash"]
    assert served.run(run_id[:8]) == served.run(run_id.replace("-", "").upper()) == run


def test_the_same_request_starts_one_run_even_at_the_same_instant(served):
    headers = {"Idempotency-Key": uuid.uuid4().hex}

    def send(_):
        return served.client.post("/workflows", json={"campaign": CAMPAIGN}, headers=headers)

    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(send, range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["workflow_execution_id"] for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    other = served.client.post("/workflows", json={"campaign": CAMPAIGN, "strategy": "parallel"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert other.json()["workflow_execution_id"] == answers[0].json()["workflow_execution_id"]


def test_a_stored_campaign_is_run_by_its_id(served):
    stored = served.client.post("/campaigns", json={"campaign": {"id": "kept", "deliverables": ["facts"]}})
    assert (stored.status_code, stored.json()["id"]) == (201, "kept")
    answer = served.client.post("/workflows", json={"campaign_id": "kept"})
    assert answer.status_code == 201
    assert served.ended(answer.json()["workflow_execution_id"])["campaign"]["key"] == "kept"
    unknown = served.client.post("/plans", json={"campaign_id": "lost"})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/campaign-not-found")


def test_a_dry_run_gives_plan_reasons_and_predictions_and_stores_nothing(served):
    campaign = {"id": "paper", "deliverables": ["post", "book"]}
    answer = served.client.post("/plans", json={"campaign": campaign, "strategy": "parallel"})
    assert answer.status_code == 200
    made = answer.json()
    assert [step["agent"] for step in made["plan"]["steps"]] == ["digger", "scribe", "author"]
    assert "author" in made["explanation"]
    assert made["mermaid"].startswith("flowchart")
    makespans = {told["strategy"]: told["makespan_seconds"] for told in made["predictions"]}
    assert makespans["sequential"] > makespans["parallel"] >= makespans["adaptive"] > 0
    assert makespans["parallel"] == made["plan"]["duration"]["predicted"]
    assert all(told["p90_seconds"] > told["makespan_seconds"] for told in made["predictions"])
    assert made["findings"] == []
    assert served.client.get("/workflows", params={"campaign": "paper"}).json()["items"] == []
    assert served.client.post("/workflows", json={"campaign_id": "paper"}).status_code == 404


def test_pages_of_the_list_give_each_run_once_latest_first(served):
    runs = [served.start("facts", id="many") for _ in range(5)]
    for run in runs:
        served.ended(run)
    found, cursor = [], None
    while True:
        params = {"campaign": "many", "limit": 2, "status": ["completed", "failed"], "strategy": "adaptive"}
        page = served.client.get("/workflows", params=params | ({"cursor": cursor} if cursor else {})).json()
        assert len(page["items"]) <= 2
        found += [item["workflow_execution_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == runs[::-1]


def test_progress_has_the_documented_shape_while_a_run_goes_on(served):
    with served.shut():
        run_id = served.start("post")
        served.wait(run_id, lambda run: run["counts"]["running"] == 1 and run["counts"]["completed"] == 1)
        report = served.client.get(f"/workflows/{run_id}/progress").json()
        assert set(report) == set(ProgressReport.__annotations__)
        assert report["agents_status"]["running"] == ["author"]
        assert report["remaining_critical_path"] == ["author"]
        assert 0 < report["eta"]["p50_seconds"] <= report["eta"]["p90_seconds"]
        assert report["progress_percentage"] == 50
    served.ended(run_id)
    report = served.client.get(f"/workflows/{run_id}/progress").json()
    assert (report["status"], report["eta"], report["weighted_progress"]) == ("completed", None, 1.0)


@pytest.mark.parametrize(
    ("wanted", "media_type", "begins"),
    [
        ({"params": {"format": "json"}}, "application/json", "{"),
        ({"params": {"format": "mermaid"}}, "text/vnd.mermaid", "flowchart"),
        ({"headers": {"Accept": "image/svg+xml"}}, "image/svg+xml", "<svg"),
    ],
)
def test_a_plan_is_given_in_the_form_asked_for_and_only_once(served, wanted, media_type, begins):
    run_id = served.start("facts")
    answer = served.client.get(f"/workflows/{run_id}/plan", **wanted)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == media_type
    assert answer.text.startswith(begins)
    tag = answer.headers["ETag"]
    assert served.run(run_id)["plan_hash"] in tag
    assert tag.startswith("W/") == (media_type != "application/json")
    headers = wanted.get("headers", {}) | {"If-None-Match": tag}
    again = served.client.get(f"/workflows/{run_id}/plan", **(wanted | {"headers": headers}))
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)


def test_a_schedule_has_what_was_planned_and_what_came_of_it(served):
    run_id = served.start("post", "book")
    served.ended(run_id)
    schedule = served.client.get(f"/workflows/{run_id}/schedule").json()
    planned = {span["agent"]: span for span in schedule["planned"]}
    assert planned["digger"]["start_seconds"] == planned["scribe"]["start_seconds"] == 0
    assert planned["author"]["start_seconds"] == planned["digger"]["end_seconds"] > 0
    predicted = served.client.get(f"/workflows/{run_id}/plan").json()["duration"]["predicted"]
    assert max(span["end_seconds"] for span in planned.values()) == pytest.approx(predicted)
    assert any(span["critical"] for span in planned.values())
    assert {span["agent"]: span["status"] for span in schedule["actual"]} == dict.fromkeys(
        ("digger", "scribe", "author"), "completed"
    )


def test_an_agent_tells_its_attempts_inputs_and_output(served):
    run_id = served.start("post", "book", "film")
    assert served.ended(run_id)["status"] == "partial_success"
    author = served.client.get(f"/workflows/{run_id}/agents/author").json()
    assert author["status"] == "completed"
    assert author["inputs"] == {"facts": {"source": "digger", "value": {"about": "facts", "count": 2}}}
    assert (author["output"], author["truncated"]) == ({"post": "<p>facts</p>"}, False)
    assert [attempt["attempt"] for attempt in author["attempts"]] == [1]
    scribe = served.client.get(f"/workflows/{run_id}/agents/scribe").json()
    assert scribe["truncated"]
    assert len(scribe["output"]["preview"]) == 1_000
    assert scribe["reference"]["channel"] == "scribe"
    filmer = served.client.get(f"/workflows/{run_id}/agents/filmer").json()
    assert filmer["error"] == {"type": "OSError", "message": "no camera"}
    assert "no camera" in filmer["reason"]


def test_events_come_in_order_without_a_gap(served):
    run_id = served.start("facts")
    served.ended(run_id)
    path = f"/workflows/{run_id}/events"
    everything = served.client.get(path).json()
    assert [item["sequence"] for item in everything["items"]] == list(range(1, everything["last_sequence"] + 1))
    assert [item["event"] for item in everything["items"]][::-1][0] == "run_ended"
    some = served.client.get(path, params={"after": 2, "limit": 2}).json()
    assert some["items"] == everything["items"][2:4]
    assert some["last_sequence"] == everything["last_sequence"]


def test_a_run_is_paused_resumed_and_cancelled(served):
    with served.shut():
        run_id = served.start("post")
        running = served.wait(run_id, lambda run: run["counts"]["running"] == 1 and run["counts"]["completed"] == 1)
        assert running["allowed_actions"] == ["pause", "cancel"]
        assert running["holder"] is not None
        asked = served.control(run_id, action="pause", reason="tea")
        assert (asked.status_code, asked.json()["status"]) == (202, "pausing")
    paused = served.wait(run_id, lambda run: run["status"] in {"paused", "completed"})
    if paused["status"] == "paused":  # else the agent was faster
        assert "tea" in paused["status_reason"]
        assert paused["allowed_actions"] == ["resume", "cancel"]
        assert served.control(run_id, action="resume").status_code == 202
        served.ended(run_id)
    with served.shut():
        run_id = served.start("post")
        served.wait(run_id, lambda run: run["counts"]["running"] == 1)
        assert served.control(run_id, action="cancel").status_code == 202
    assert served.ended(run_id)["status"] in {"cancelled", "completed"}


def test_what_the_state_does_not_allow_is_refused_with_what_it_does(served):
    run_id = served.start("facts")
    served.ended(run_id)
    refused = served.control(run_id, action="pause")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/action-not-allowed")
    assert (refused.json()["allowed_actions"], refused.json()["run_status"]) == ([], "completed")
    with served.shut():
        run_id = served.start("post")
        served.wait(run_id, lambda run: run["status"] == "running" and run["holder"] is not None)
        refused = served.control(run_id, action="resume")
        assert (refused.status_code, refused.json()["allowed_actions"]) == (409, ["pause", "cancel"])
        refused = served.control(run_id, action="approve", agent="author")
        assert (refused.status_code, refused.json()["allowed_actions"]) == (409, ["pause", "cancel"])
    served.ended(run_id)


@pytest.mark.parametrize(("action", "excused"), [("approve", []), ("reject", ["verdict"])])
def test_a_person_answers_and_the_run_goes_on(served, action, excused):
    run_id = served.start("verdict")
    asking = served.wait(run_id, lambda run: run["status"] == "paused" and run["holder"] is None)
    assert asking["allowed_actions"] == ["resume", "cancel", "approve", "reject"]
    [question] = asking["questions"]
    assert (question["agent"], question["answered_by"]) == ("judge", None)
    assert question["value"]["approve"] == "judge"
    answer = served.control(run_id, action=action, agent="judge", reason="because", question=question["id"])
    assert answer.status_code == 202
    ended = served.ended(run_id)
    result = ended["result"]
    assert (ended["status"], result["missing"], result["excused"]) == ("completed", [], excused)
    assert result["deliverables"] == ({} if excused else {"verdict": "good"})
    again = served.control(run_id, action=action, agent="judge")
    assert again.status_code == 409


def test_catalog_history_and_health_answer(served):
    served.ended(served.start("facts"))
    catalog = served.client.get("/catalog").json()
    assert catalog["with_code"] == ["digger", "author", "judge", "scribe", "filmer"]
    assert "planner" in catalog["agents"]
    history = served.client.get("/history", params={"agent": "digger"}).json()
    assert history["agents"][0]["agent"] == "digger"
    assert history["latest_runs"][0]["status"] == "completed"
    assert "digger" in [agent["agent"] for agent in served.client.get("/history").json()["agents"]]
    assert served.client.get("/health/live").json() == served.client.get("/health/ready").json() == {"status": "ok"}


def test_figures_count_requests_by_route(served):
    served.client.get("/health/live")
    figures = httpx.get(f"{served.url}/metrics")
    assert figures.headers["Content-Type"].startswith("text/plain")
    assert 'planner_graph_runs{status="running"}' in figures.text
    counted = [line for line in figures.text.splitlines() if line.startswith("planner_graph_http_requests_total{")]
    assert any('route="/health/live"' in line and 'status="200"' in line for line in counted), counted
