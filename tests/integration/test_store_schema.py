"""schema.sql: what it promises, and that the database keeps each promise."""

import uuid
from itertools import combinations

import psycopg
import pytest
from psycopg import sql

from planner_graph.store.upgrades import SCHEMA_VERSION, schema

pytestmark = pytest.mark.every_postgres

PROMISED_COLUMNS = {
    "execution_plans": {
        "id": "uuid",
        "campaign_id": "uuid",
        "workflow_execution_id": "uuid",
        "execution_strategy": "character varying(50)",
        "total_agents": "integer",
        "estimated_duration_minutes": "integer",
        "planned_sequence": "jsonb",
        "agent_configurations": "jsonb",
        "current_step": "integer",
        "completed_agents": "text[]",
        "failed_agents": "text[]",
        "created_by_agent": "character varying(100)",
        "planning_reasoning": "text",
        "created_at": "timestamp with time zone",
        "updated_at": "timestamp with time zone",
    },
    "agent_dependencies": {
        "id": "uuid",
        "execution_plan_id": "uuid",
        "agent_name": "character varying(100)",
        "agent_type": "character varying(100)",
        "depends_on_agents": "text[]",
        "dependency_type": "character varying(20)",
        "execution_order": "integer",
        "parallel_group_id": "integer",
        "is_parallel_eligible": "boolean",
        "max_retries": "integer",
        "timeout_minutes": "integer",
        "resource_requirements": "jsonb",
        "created_at": "timestamp with time zone",
    },
    "workflow_state_live": {
        "workflow_execution_id": "uuid",
        "current_agents_running": "text[]",
        "current_step": "integer",
        "completed_agents": "text[]",
        "failed_agents": "text[]",
        "waiting_agents": "text[]",
        "start_time": "timestamp with time zone",
        "estimated_completion_time": "timestamp with time zone",
        "execution_metadata": "jsonb",
        "intermediate_outputs": "jsonb",
        "last_heartbeat": "timestamp with time zone",
        "created_at": "timestamp with time zone",
        "updated_at": "timestamp with time zone",
    },
}
PROMISED_INDEXES = {
    "idx_execution_plans_campaign": "execution_plans USING btree (campaign_id)",
    "idx_execution_plans_workflow": "execution_plans USING btree (workflow_execution_id)",
    "idx_agent_dependencies_plan": "agent_dependencies USING btree (execution_plan_id)",
    "idx_agent_dependencies_order": "agent_dependencies USING btree (execution_plan_id, execution_order)",
    "idx_workflow_state_live_heartbeat": "workflow_state_live USING btree (last_heartbeat)",
}
TABLES = (
    "campaigns",
    "campaign_tasks",
    "execution_plans",
    "agent_dependencies",
    "workflow_state_live",
    "agent_runs",
    "run_events",
    "run_leases",
    "run_answers",
    "idempotency_keys",
)
APART = ("planner_graph_schema", "api_tokens", "audit_log")  # tables whose rows belong to no campaign
VIEWS = ("planner_graph_runs", "planner_graph_run_list")
HASH = "0" * 64


@pytest.fixture
def conn(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def insert(conn, table, values):
    """Insert a row; values given as psycopg SQL stand as they are."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(value if isinstance(value, sql.SQL) else sql.Literal(value) for value in values.values()),
    )
    return conn.execute(statement).fetchone()[0]


def campaign(**values):
    return {"campaign_key": "launch", "definition": sql.SQL("'{}'")} | values


def plan(campaign_id, run_id, **values):
    return {
        "campaign_id": campaign_id,
        "workflow_execution_id": run_id,
        "total_agents": 3,
        "planned_sequence": sql.SQL("'[]'"),
        "plan": sql.SQL("'{}'"),
        "plan_hash": HASH,
        "campaign": sql.SQL("'{}'"),
        "thread_id": str(run_id),
    } | values


def attempt(run_id, **values):
    return {
        "workflow_execution_id": run_id,
        "agent_name": "writer",
        "attempt": 1,
        "status": "running",
        "started_at": sql.SQL("NOW()"),
    } | values


LISTS = ("current_agents_running", "completed_agents", "failed_agents", "waiting_agents", "skipped_agents")
NOW = sql.SQL("NOW()")
EARLIER = sql.SQL("NOW() - INTERVAL '1 second'")
SHA256 = sql.SQL("decode(repeat('00', 32), 'hex')")
OTHER_SHA256 = sql.SQL("decode(repeat('11', 32), 'hex')")
SHORT_HASH = sql.SQL("decode('00', 'hex')")
# table, what is wrong with the row, the constraint that refuses it
BAD_ROWS = [
    ("planner_graph_schema", {"version": 0}, "planner_graph_schema_version_positive"),
    ("planner_graph_schema", {"version": SCHEMA_VERSION}, "planner_graph_schema_pkey"),
    ("campaigns", {"campaign_key": ""}, "campaigns_campaign_key_present"),
    ("campaigns", {"campaign_key": "taken"}, "campaigns_campaign_key_unique"),
    ("campaigns", {"definition": sql.SQL("'[]'")}, "campaigns_definition_object"),
    ("campaign_tasks", {"position": 0}, "campaign_tasks_position_from_one"),
    ("campaign_tasks", {"task_type": ""}, "campaign_tasks_task_type_present"),
    ("campaign_tasks", {"position": 7}, "campaign_tasks_pkey"),
    ("campaign_tasks", {"campaign_id": uuid.uuid4()}, "campaign_tasks_campaign_id_fkey"),
    ("execution_plans", {"campaign_id": uuid.uuid4()}, "execution_plans_campaign_id_fkey"),
    ("execution_plans", {"thread_id": "taken"}, "execution_plans_thread_id_unique"),
    ("execution_plans", {"execution_strategy": "chaotic"}, "execution_plans_strategy_known"),
    ("execution_plans", {"status": "done"}, "execution_plans_status_known"),
    ("execution_plans", {"total_agents": -1}, "execution_plans_agents_within_plan"),
    ("execution_plans", {"current_step": -1}, "execution_plans_counts_not_negative"),
    ("execution_plans", {"estimated_duration_minutes": -1}, "execution_plans_counts_not_negative"),
    ("execution_plans", {"current_step": 4}, "execution_plans_step_within_plan"),
    ("execution_plans", {"completed_agents": list("abcd")}, "execution_plans_agents_within_plan"),
    ("execution_plans", {"completed_agents": ["a"], "failed_agents": ["a"]}, "execution_plans_completed_or_failed"),
    ("execution_plans", {"plan_hash": "short"}, "execution_plans_hash_is_sha256"),
    ("execution_plans", {"plan_revision": 0}, "execution_plans_revision_from_one"),
    ("execution_plans", {"status": "completed"}, "execution_plans_ended_at_when_ended"),
    ("execution_plans", {"ended_at": NOW}, "execution_plans_ended_at_when_ended"),
    ("execution_plans", {"status": "running"}, "execution_plans_started_at_when_running"),
    (
        "execution_plans",
        {"status": "completed", "started_at": NOW, "ended_at": EARLIER},
        "execution_plans_ends_after_start",
    ),
    ("execution_plans", {"checkpoints_removed_at": NOW}, "execution_plans_removed_when_ended"),
    ("agent_dependencies", {"execution_plan_id": uuid.uuid4()}, "agent_dependencies_execution_plan_id_fkey"),
    ("agent_dependencies", {"agent_name": "taken"}, "agent_dependencies_agent_and_type_unique"),
    ("agent_dependencies", {"dependency_type": "firm"}, "agent_dependencies_type_known"),
    ("agent_dependencies", {"execution_order": 0}, "agent_dependencies_order_from_one"),
    ("agent_dependencies", {"max_retries": -1}, "agent_dependencies_retries_not_negative"),
    ("agent_dependencies", {"timeout_minutes": 0}, "agent_dependencies_timeout_positive"),
    ("agent_dependencies", {"depends_on_agents": ["writer"]}, "agent_dependencies_not_on_itself"),
    ("workflow_state_live", {"workflow_execution_id": uuid.uuid4()}, "workflow_state_live_workflow_execution_id_fkey"),
    ("workflow_state_live", {"current_step": -1}, "workflow_state_live_step_not_negative"),
    ("workflow_state_live", {"last_sequence": -1}, "workflow_state_live_sequence_not_negative"),
    *(
        ("workflow_state_live", {one: ["a", "b"], other: ["b", "c"]}, "workflow_state_live_one_list_per_agent")
        for one, other in combinations(LISTS, 2)
    ),
    ("agent_runs", {"workflow_execution_id": uuid.uuid4()}, "agent_runs_workflow_execution_id_fkey"),
    ("agent_runs", {"status": "waiting", "ended_at": NOW}, "agent_runs_status_known"),
    ("agent_runs", {"attempt": -1}, "agent_runs_counts_not_negative"),
    ("agent_runs", {"execution": 0}, "agent_runs_counts_not_negative"),
    ("agent_runs", {"attempt": 0, "status": "failed", "ended_at": NOW}, "agent_runs_attempt_zero_never_started"),
    ("agent_runs", {"started_at": None}, "agent_runs_attempt_zero_never_started"),
    (
        "agent_runs",
        {"attempt": 0, "started_at": None, "status": "completed", "ended_at": NOW},
        "agent_runs_running_has_started",
    ),
    ("agent_runs", {"ended_at": NOW}, "agent_runs_ended_at_when_ended"),
    ("agent_runs", {"status": "failed"}, "agent_runs_ended_at_when_ended"),
    ("agent_runs", {"status": "failed", "ended_at": EARLIER}, "agent_runs_ends_after_start"),
    (
        "agent_runs",
        {"status": "completed", "ended_at": NOW, "error": sql.SQL("'{}'")},
        "agent_runs_no_error_if_completed",
    ),
    (
        "agent_runs",
        {"attempt": 0, "started_at": None, "status": "skipped", "ended_at": NOW},
        "agent_runs_skip_has_reason",
    ),
    ("agent_runs", {"agent_name": "taken"}, "idx_agent_runs_one_running"),
    ("agent_runs", {"agent_name": "finished", "status": "completed", "ended_at": NOW}, "idx_agent_runs_one_completed"),
    ("run_events", {"workflow_execution_id": uuid.uuid4()}, "run_events_workflow_execution_id_fkey"),
    ("run_events", {"sequence": 0}, "run_events_sequence_from_one"),
    ("run_events", {"sequence": 7}, "run_events_pkey"),
    ("run_events", {"event": "agent_vanished"}, "run_events_event_known"),
    ("run_events", {"agent_name": None}, "run_events_agent_if_of_agent"),
    ("run_events", {"event": "run_ended"}, "run_events_agent_if_of_agent"),
    ("run_events", {"data": sql.SQL("'[]'")}, "run_events_data_object"),
    ("run_leases", {"workflow_execution_id": uuid.uuid4()}, "run_leases_workflow_execution_id_fkey"),
    ("run_leases", {"token": 0}, "run_leases_token_from_one"),
    ("run_answers", {"workflow_execution_id": uuid.uuid4()}, "run_answers_workflow_execution_id_fkey"),
    ("run_answers", {"interrupt_id": ""}, "run_answers_interrupt_present"),
    ("run_answers", {"interrupt_id": "taken"}, "run_answers_pkey"),
    ("run_answers", {"answered_by": ""}, "run_answers_by_somebody"),
    ("api_tokens", {"token_hash": OTHER_SHA256}, "api_tokens_hash_unique"),
    ("api_tokens", {"token_hash": SHORT_HASH}, "api_tokens_hash_is_sha256"),
    ("api_tokens", {"name": "taken"}, "idx_api_tokens_name"),
    *(("api_tokens", {"name": name}, "api_tokens_name_plain") for name in ("", "local", "a b", "-a", "a\n", "a" * 101)),
    ("api_tokens", {"role": "owner"}, "api_tokens_role_known"),
    ("api_tokens", {"expires_at": EARLIER}, "api_tokens_expires_after_creation"),
    ("audit_log", {"principal": ""}, "audit_log_principal_present"),
    ("audit_log", {"role": "owner"}, "audit_log_role_known"),
    ("audit_log", {"action": "look"}, "audit_log_action_known"),
    ("audit_log", {"outcome": "forgotten"}, "audit_log_outcome_known"),
    ("idempotency_keys", {"principal": ""}, "idempotency_keys_principal_present"),
    ("idempotency_keys", {"key": ""}, "idempotency_keys_key_length"),
    ("idempotency_keys", {"key": "k" * 256}, "idempotency_keys_key_length"),
    ("idempotency_keys", {"key": "taken"}, "idempotency_keys_pkey"),
    ("idempotency_keys", {"request_hash": SHORT_HASH}, "idempotency_keys_hash_is_sha256"),
    (
        "idempotency_keys",
        {"workflow_execution_id": uuid.uuid4()},
        "idempotency_keys_workflow_execution_id_fkey",
    ),
]


@pytest.fixture
def good_rows(conn):
    """For each table the values of a row that it takes, after rows that take a key away."""
    run_id = uuid.uuid4()
    campaign_id = insert(conn, "campaigns", campaign(campaign_key="taken"))
    insert(conn, "campaign_tasks", {"campaign_id": campaign_id, "position": 7, "task_type": "blog_post"})
    plan_id = insert(conn, "execution_plans", plan(campaign_id, run_id, thread_id="taken"))
    dependency = {"execution_plan_id": plan_id, "agent_name": "writer", "agent_type": "w", "execution_order": 1}
    insert(conn, "agent_dependencies", dependency | {"agent_name": "taken"})
    insert(conn, "agent_runs", attempt(run_id, agent_name="taken", attempt=9))
    insert(conn, "agent_runs", attempt(run_id, agent_name="finished", attempt=9, status="completed", ended_at=NOW))
    event = {"workflow_execution_id": run_id, "sequence": 1, "event": "agent_started", "agent_name": "a", "at": NOW}
    insert(conn, "run_events", event | {"sequence": 7})
    answer = {"workflow_execution_id": run_id, "interrupt_id": "1", "agent_name": "a", "answer": sql.SQL("'true'")}
    insert(conn, "run_answers", answer | {"interrupt_id": "taken", "answered_by": "ann"})
    lease = {"workflow_execution_id": run_id, "token": 1, "holder": "host:1", "session_pid": 1}
    token = {"name": "ann", "role": "viewer", "token_hash": SHA256}
    insert(conn, "api_tokens", token | {"name": "taken", "token_hash": OTHER_SHA256})
    key = {"principal": "ann", "key": "1", "request_hash": SHA256, "workflow_execution_id": run_id}
    insert(conn, "idempotency_keys", key | {"key": "taken"})
    return {
        "api_tokens": token,
        "audit_log": {"principal": "ann", "role": "admin", "action": "pause"},
        "idempotency_keys": key,
        "planner_graph_schema": {"version": 1000},
        "campaigns": campaign(),
        "campaign_tasks": {"campaign_id": campaign_id, "position": 1, "task_type": "blog_post"},
        "execution_plans": plan(campaign_id, uuid.uuid4()),
        "agent_dependencies": dependency,
        "workflow_state_live": {"workflow_execution_id": run_id},
        "agent_runs": attempt(run_id),
        "run_events": event,
        "run_leases": lease | {"session_start": NOW, "expires_at": NOW},
        "run_answers": answer | {"answered_by": "ann"},
    }


def refusing_constraint(conn, table, values):
    """The name of the constraint that refuses a row, or None; nothing is inserted."""
    try:
        with conn.transaction(force_rollback=True):
            insert(conn, table, values)
            conn.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except psycopg.errors.IntegrityError as error:
        return error.diag.constraint_name
    return None


@pytest.mark.parametrize("table", [*TABLES, *APART])
def test_each_bad_row_is_refused_by_its_constraint(conn, good_rows, table):
    bad = [(fault, constraint) for concerned, fault, constraint in BAD_ROWS if concerned == table]
    assert bad == [(fault, refusing_constraint(conn, table, good_rows[table] | fault)) for fault, _ in bad]


def test_the_same_rows_without_their_fault_are_taken(conn, good_rows):
    for table, values in good_rows.items():
        insert(conn, table, values)


def test_every_constraint_was_seen_to_refuse_a_row(conn):
    names = conn.execute(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
        " AND contype IN ('c', 'f') AND conrelid::regclass::text = ANY (%s)",
        [[*TABLES, *APART]],
    ).fetchall()
    assert {name for (name,) in names} <= {constraint for _, _, constraint in BAD_ROWS}


@pytest.mark.usefixtures("good_rows")
def test_deleting_a_campaign_deletes_its_runs(conn):
    conn.execute("DELETE FROM campaigns")
    for table in TABLES:
        assert conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone() == (0,)


def dump(conn):
    """Everything information_schema and the catalogs say about our tables."""
    queries = [
        """SELECT table_name, column_name, ordinal_position, column_default, is_nullable, data_type,
        character_maximum_length FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3""",
        "SELECT * FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name",
        """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2""",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
        """SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'planner_graph%' ORDER BY 1""",
        "SELECT version FROM planner_graph_schema ORDER BY 1",
    ]
    return [conn.execute(query).fetchall() for query in queries]


def test_applied_twice_it_is_as_applied_once(empty_dsn):
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(schema(), prepare=False)
        once = dump(conn)
        conn.execute(schema(), prepare=False)
        assert dump(conn) == once
        assert {row[0] for row in once[0]} == {*TABLES, *APART, *VIEWS}


def test_columns_that_others_read_keep_their_names_and_types(conn):
    for table, columns in PROMISED_COLUMNS.items():
        found = conn.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0",
            [table],
        ).fetchall()
        assert columns.items() <= dict(found).items()


def test_columns_that_others_write_keep_their_defaults(conn, good_rows):
    insert(conn, "execution_plans", good_rows["execution_plans"])
    [row] = conn.execute(
        "SELECT execution_strategy, current_step, completed_agents, failed_agents, created_by_agent"
        " FROM execution_plans WHERE thread_id <> 'taken'"
    ).fetchall()
    assert row == ("sequential", 0, [], [], "MasterPlannerAgent")
    [row] = conn.execute(
        "SELECT depends_on_agents, dependency_type, is_parallel_eligible, max_retries, timeout_minutes"
        " FROM agent_dependencies"
    ).fetchall()
    assert row == ([], "hard", False, 3, 30)


def test_indexes_that_others_rely_on_are_there(conn):
    found = dict(conn.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'").fetchall())
    for name, definition in PROMISED_INDEXES.items():
        assert found[name].endswith(definition)


def test_keys_of_tables_written_while_a_run_goes_on_start_with_the_run(conn):
    for table in ("workflow_state_live", "agent_runs", "run_events", "run_leases", "run_answers"):
        [key] = conn.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'",
            [table],
        ).fetchone()
        assert key.startswith("PRIMARY KEY (workflow_execution_id")


def test_every_index_names_the_query_it_serves():
    lines = [line.strip() for line in schema().decode().splitlines()]
    for number, line in enumerate(lines):
        if line.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX", "PRIMARY KEY (")) or " UNIQUE (" in line:
            assert lines[number - 1].startswith("-- Serves: "), line
