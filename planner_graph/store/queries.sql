-- All SQL of the store. A block begins with its name; see queries.py.

-- name: schema_table_exists
SELECT to_regclass('planner_graph_schema') IS NOT NULL AS exists

-- name: tables_in_the_way
SELECT name FROM unnest(%(names)s::text[]) WITH ORDINALITY AS ours (name, place)
WHERE to_regclass(quote_ident(name)) IS NOT NULL ORDER BY place

-- name: schema_version
SELECT max(version) AS version FROM planner_graph_schema

-- name: checkpoint_table_exists
SELECT to_regclass('checkpoint_migrations') IS NOT NULL AS exists

-- name: checkpoint_version
SELECT max(v) AS version FROM checkpoint_migrations

-- name: try_lock_upgrade
SELECT pg_try_advisory_lock(hashtextextended('planner_graph upgrade', 0)) AS granted

-- name: unlock_upgrade
SELECT pg_advisory_unlock(hashtextextended('planner_graph upgrade', 0))

-- name: upsert_campaign
INSERT INTO campaigns (campaign_key, name, campaign_type, definition)
VALUES (%(campaign_key)s, %(name)s, %(campaign_type)s, %(definition)s)
ON CONFLICT (campaign_key) DO UPDATE
SET name = EXCLUDED.name,
    campaign_type = EXCLUDED.campaign_type,
    definition = EXCLUDED.definition,
    updated_at = NOW()
RETURNING id

-- name: delete_campaign_tasks
DELETE FROM campaign_tasks WHERE campaign_id = %(campaign_id)s

-- name: insert_campaign_task
INSERT INTO campaign_tasks (campaign_id, position, task_type, title, description, parameters)
VALUES (%(campaign_id)s, %(position)s, %(task_type)s, %(title)s, %(description)s, %(parameters)s)

-- name: insert_plan
INSERT INTO execution_plans (
    campaign_id, workflow_execution_id, execution_strategy, total_agents, estimated_duration_minutes,
    planned_sequence, agent_configurations, plan, plan_hash, campaign, thread_id, agents_reference, output_folder,
    planning_reasoning
)
SELECT %(campaign_id)s, %(run_id)s, %(strategy)s, %(total_agents)s, %(estimated_duration_minutes)s,
    planner_graph_sequence(given.plan),
    (
        SELECT COALESCE(jsonb_object_agg(step ->> 'agent', step -> 'configuration'), '{}')
        FROM jsonb_array_elements(given.plan -> 'steps') step
    ),
    given.plan, %(plan_hash)s, %(campaign)s, %(thread_id)s, %(agents_reference)s, %(output_folder)s, %(reasoning)s
FROM (SELECT %(plan)s::JSONB AS plan) given
RETURNING id

-- name: insert_agent_dependencies
-- For each agent one row per kind of dependency, at least one.
INSERT INTO agent_dependencies (
    execution_plan_id, agent_name, agent_type, depends_on_agents, dependency_type, execution_order,
    parallel_group_id, is_parallel_eligible, max_retries, timeout_minutes, resource_requirements, work
)
SELECT p.id, s.agent, s.type, COALESCE(d.agents, ARRAY[]::TEXT[]), COALESCE(d.kind, 'hard'), s."order",
    s.parallel_group_id, s.parallel_group_id IS NOT NULL, s.max_retries, greatest(1, ceil(s.timeout_seconds / 60)),
    s.resources, %(works)s::JSONB ->> s.agent
FROM execution_plans p
CROSS JOIN LATERAL jsonb_to_recordset(p.plan -> 'steps') AS s(
    agent TEXT, type TEXT, dependencies JSONB, "order" INTEGER, parallel_group_id INTEGER, max_retries INTEGER,
    timeout_seconds FLOAT8, resources JSONB
)
LEFT JOIN LATERAL (
    SELECT edge ->> 'kind' AS kind, array_agg(edge ->> 'agent' ORDER BY place) AS agents
    FROM jsonb_array_elements(s.dependencies) WITH ORDINALITY AS listed(edge, place)
    GROUP BY 1
) d ON TRUE
WHERE p.id = %(plan_id)s

-- name: set_works
-- A run may be resumed with other code; what has been written of it stays.
UPDATE agent_dependencies d
SET work = w.value
FROM execution_plans p, jsonb_each_text(%(works)s) w
WHERE p.workflow_execution_id = %(run_id)s AND d.execution_plan_id = p.id AND d.agent_name = w.key
    AND d.work IS DISTINCT FROM w.value

-- name: insert_live_state
INSERT INTO workflow_state_live (workflow_execution_id, waiting_agents, execution_metadata)
VALUES (%(run_id)s, %(waiting_agents)s, %(execution_metadata)s)

-- name: see_one_moment
-- All that the transaction reads is as it was at its first query, whatever others commit meanwhile.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: get_run
SELECT * FROM planner_graph_runs
WHERE workflow_execution_id BETWEEN %(lowest)s AND %(highest)s
ORDER BY workflow_execution_id
LIMIT 5

-- name: list_runs
SELECT * FROM planner_graph_runs
ORDER BY created_at DESC, workflow_execution_id
LIMIT %(limit)s

-- name: list_runs_in_status
SELECT * FROM planner_graph_runs
WHERE status = %(status)s
ORDER BY created_at DESC, workflow_execution_id
LIMIT %(limit)s

-- name: find_runs
-- Latest first; whatever is NULL is not asked for. A scalar subquery looks at the leases of the runs of one page only.
SELECT r.*, NULL::JSONB AS result,
    r.status = 'running' AND (
        SELECT h.holder FROM planner_graph_living_leases(%(silence)s) h
        WHERE h.workflow_execution_id = r.workflow_execution_id
    ) IS NULL AS left_behind
FROM planner_graph_run_list r
WHERE (%(statuses)s::TEXT[] IS NULL OR r.status = ANY (%(statuses)s))
    AND (%(campaign)s::TEXT IS NULL OR r.campaign_key = %(campaign)s)
    AND (%(strategy)s::TEXT IS NULL OR r.execution_strategy = %(strategy)s)
    AND (%(created_after)s::TIMESTAMPTZ IS NULL OR r.created_at > %(created_after)s)
    AND (%(before_time)s::TIMESTAMPTZ IS NULL
        OR (r.created_at, r.workflow_execution_id) < (%(before_time)s, %(before_id)s::UUID))
ORDER BY r.created_at DESC, r.workflow_execution_id DESC
LIMIT %(limit)s

-- name: list_these_runs
SELECT r.*, CASE WHEN %(with_result)s THEN p.result END AS result,
    r.status = 'running' AND (
        SELECT h.holder FROM planner_graph_living_leases(%(silence)s) h
        WHERE h.workflow_execution_id = r.workflow_execution_id
    ) IS NULL AS left_behind
FROM planner_graph_run_list r
JOIN execution_plans p USING (workflow_execution_id)
WHERE r.workflow_execution_id = ANY (%(run_ids)s::UUID[])
ORDER BY r.created_at DESC, r.workflow_execution_id DESC

-- name: list_lately_changed
SELECT workflow_execution_id
FROM execution_plans
WHERE updated_at > clock_timestamp() - make_interval(secs => %(seconds)s)
ORDER BY updated_at

-- name: count_open_runs
SELECT status, count(*) AS runs
FROM execution_plans
WHERE status IN ('pending', 'running', 'pausing', 'paused', 'cancelling')
GROUP BY status

-- name: get_mark
-- All that tells whether a report on a run is still true.
SELECT p.workflow_execution_id, p.status, p.plan_hash, p.updated_at, l.last_sequence
FROM execution_plans p
JOIN workflow_state_live l USING (workflow_execution_id)
WHERE p.workflow_execution_id BETWEEN %(lowest)s AND %(highest)s
ORDER BY p.workflow_execution_id
LIMIT 5

-- name: get_stored_campaign
SELECT definition::TEXT AS campaign FROM campaigns WHERE campaign_key = %(campaign_key)s

-- name: get_outputs
SELECT COALESCE(intermediate_outputs, '{}')::TEXT AS outputs
FROM workflow_state_live
WHERE workflow_execution_id = %(run_id)s

-- name: list_run_ids
SELECT workflow_execution_id FROM execution_plans ORDER BY created_at, workflow_execution_id

-- name: get_plan
SELECT plan::TEXT AS plan, plan_hash FROM execution_plans WHERE workflow_execution_id = %(run_id)s

-- name: get_pinned_plan
SELECT plan_hash FROM execution_plans WHERE workflow_execution_id = %(run_id)s

-- name: get_campaign
SELECT campaign::TEXT AS campaign FROM execution_plans WHERE workflow_execution_id = %(run_id)s

-- name: get_agent_runs
SELECT workflow_execution_id, agent_name, execution, attempt, status, started_at, ended_at, error, reason, usage
FROM agent_runs
WHERE workflow_execution_id = ANY (%(run_ids)s)
ORDER BY started_at NULLS LAST, ended_at, agent_name, execution, attempt

-- name: get_events
SELECT sequence, event, agent_name, at, recorded_at, data
FROM run_events
WHERE workflow_execution_id = %(run_id)s AND sequence > %(after)s
ORDER BY sequence
LIMIT %(limit)s

-- name: get_vitals
SELECT p.status,
    EXTRACT(EPOCH FROM greatest(clock_timestamp() - l.last_heartbeat, INTERVAL '0'))::FLOAT8 AS silent_seconds,
    h.holder
FROM execution_plans p
JOIN workflow_state_live l USING (workflow_execution_id)
LEFT JOIN planner_graph_living_leases(%(silence)s) h USING (workflow_execution_id)
WHERE p.workflow_execution_id = %(run_id)s

-- name: get_status
SELECT status, status_reason FROM execution_plans WHERE workflow_execution_id = %(run_id)s

-- name: get_last_sequences
SELECT workflow_execution_id, last_sequence
FROM workflow_state_live
WHERE workflow_execution_id = ANY (%(run_ids)s)

-- name: get_end_of_log
SELECT p.status, l.last_sequence
FROM execution_plans p
JOIN workflow_state_live l USING (workflow_execution_id)
WHERE p.workflow_execution_id = %(run_id)s

-- name: listen
LISTEN planner_graph

-- name: lock_run
SELECT status FROM execution_plans WHERE workflow_execution_id = %(run_id)s FOR NO KEY UPDATE

-- name: start_run
UPDATE execution_plans
SET status = CASE WHEN %(stays)s THEN status ELSE 'running' END,
    status_reason = CASE WHEN %(stays)s THEN status_reason END,
    started_at = COALESCE(started_at, NOW()),
    updated_at = NOW()
WHERE workflow_execution_id = %(run_id)s

-- name: start_live_state
UPDATE workflow_state_live l
SET start_time = p.started_at,
    -- What is left of the estimate, in proportion to the agents that have not ended.
    estimated_completion_time = NOW() + make_interval(secs => (
        (p.plan #>> '{duration,predicted}')::FLOAT8
        * (p.total_agents - cardinality(l.completed_agents || l.failed_agents || l.skipped_agents))
        / greatest(p.total_agents, 1)
    )),
    last_heartbeat = NOW(),
    updated_at = NOW()
FROM execution_plans p
WHERE l.workflow_execution_id = %(run_id)s AND p.workflow_execution_id = l.workflow_execution_id

-- name: set_status
UPDATE execution_plans
SET status = %(status)s, status_reason = %(reason)s, updated_at = NOW()
WHERE workflow_execution_id = %(run_id)s

-- name: finish_run
UPDATE execution_plans
SET status = %(status)s, status_reason = %(reason)s, result = %(result)s, updated_at = NOW(),
    ended_at = greatest(COALESCE(%(ended_at)s::TIMESTAMPTZ, NOW()), started_at)
WHERE workflow_execution_id = %(run_id)s

-- name: amend_run
UPDATE execution_plans
SET status = %(status)s, status_reason = NULL, result = %(result)s, updated_at = NOW()
WHERE workflow_execution_id = %(run_id)s

-- name: stop_agent_runs
UPDATE agent_runs
SET status = %(status)s, reason = %(reason)s, ended_at = greatest(NOW(), started_at)
WHERE workflow_execution_id = %(run_id)s AND status = 'running'

-- name: pause_live_state
UPDATE workflow_state_live
SET waiting_agents = current_agents_running || waiting_agents, current_agents_running = ARRAY[]::TEXT[],
    estimated_completion_time = NULL, last_heartbeat = NOW(), updated_at = NOW()
WHERE workflow_execution_id = %(run_id)s

-- name: finish_live_state
UPDATE workflow_state_live
SET waiting_agents = ARRAY[]::TEXT[], current_agents_running = ARRAY[]::TEXT[],
    estimated_completion_time = NOW(), last_heartbeat = NOW(), updated_at = NOW()
WHERE workflow_execution_id = %(run_id)s

-- name: append_event
WITH counter AS (
    UPDATE workflow_state_live
    SET last_sequence = last_sequence + 1
    WHERE workflow_execution_id = %(run_id)s
    RETURNING last_sequence
), appended AS (
    INSERT INTO run_events (workflow_execution_id, sequence, event, agent_name, at, data)
    SELECT %(run_id)s, last_sequence, %(event)s, %(agent)s, COALESCE(%(at)s::TIMESTAMPTZ, clock_timestamp()), %(data)s
    FROM counter
    RETURNING workflow_execution_id, sequence
)
SELECT pg_notify('planner_graph', workflow_execution_id || ' ' || sequence) FROM appended

-- The mirror writes what many runs did at a time: runs come as one JSON array.

-- name: transaction_number
SELECT pg_current_xact_id()::TEXT AS number

-- name: lock_runs
-- Both rows are locked: after waiting for the lock, columns of a row that is not would be those of before.
SELECT workflow_execution_id, status, last_sequence
FROM execution_plans p
JOIN workflow_state_live l USING (workflow_execution_id)
WHERE workflow_execution_id = ANY (%(run_ids)s)
ORDER BY workflow_execution_id
FOR NO KEY UPDATE OF p, l

-- name: transaction_status
SELECT pg_xact_status(%(transaction)s::xid8) AS status

-- name: get_standings
SELECT workflow_execution_id, current_agents_running, completed_agents, failed_agents, waiting_agents, skipped_agents,
    current_step, last_sequence
FROM workflow_state_live
WHERE workflow_execution_id = ANY (%(run_ids)s)

-- name: get_said
SELECT p.status, p.result::TEXT AS result, p.usage, p.completed_agents AS completed_of_plan,
    p.failed_agents AS failed_of_plan, l.current_agents_running AS running, l.completed_agents AS completed,
    l.failed_agents AS failed, l.waiting_agents AS waiting, l.skipped_agents AS skipped,
    COALESCE(l.intermediate_outputs, '{}')::TEXT AS outputs
FROM execution_plans p
JOIN workflow_state_live l USING (workflow_execution_id)
WHERE p.workflow_execution_id = %(run_id)s

-- name: get_orders
SELECT p.workflow_execution_id, jsonb_object_agg(d.agent_name, d.execution_order) AS orders
FROM execution_plans p
JOIN agent_dependencies d ON d.execution_plan_id = p.id
WHERE p.workflow_execution_id = ANY (%(run_ids)s)
GROUP BY p.workflow_execution_id

-- name: write_agent_runs
INSERT INTO agent_runs (
    workflow_execution_id, agent_name, execution, attempt, status, started_at, ended_at, error, reason, usage, work
)
SELECT run.workflow_execution_id, r.agent_name, r.execution, r.attempt, r.status, r.started_at, r.ended_at, r.error,
    r.reason, r.usage, (
        SELECT d.work
        FROM execution_plans p
        JOIN agent_dependencies d ON d.execution_plan_id = p.id
        WHERE p.workflow_execution_id = run.workflow_execution_id AND d.agent_name = r.agent_name
        LIMIT 1
    )
FROM jsonb_to_recordset(%(rows)s) AS run(workflow_execution_id UUID, attempts JSONB)
CROSS JOIN LATERAL jsonb_to_recordset(run.attempts) AS r(
    agent_name TEXT, execution INTEGER, attempt INTEGER, status TEXT, started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ,
    error JSONB, reason TEXT, usage JSONB
)
ON CONFLICT (workflow_execution_id, agent_name, execution, attempt) DO UPDATE
SET status = EXCLUDED.status,
    started_at = EXCLUDED.started_at,
    ended_at = EXCLUDED.ended_at,
    error = EXCLUDED.error,
    reason = EXCLUDED.reason,
    usage = EXCLUDED.usage

-- name: write_events
INSERT INTO run_events (workflow_execution_id, sequence, event, agent_name, at, data)
SELECT run.workflow_execution_id, run.sequence + e.place, e.told ->> 'event', e.told ->> 'agent',
    (e.told ->> 'at')::TIMESTAMPTZ, e.told - ARRAY['event', 'agent', 'at']
FROM jsonb_to_recordset(%(rows)s) AS run(workflow_execution_id UUID, sequence BIGINT, events JSONB)
CROSS JOIN LATERAL jsonb_array_elements(run.events) WITH ORDINALITY AS e(told, place)

-- name: write_live_states
UPDATE workflow_state_live l
SET current_step = r.step,
    current_agents_running = r.running,
    completed_agents = r.completed,
    failed_agents = r.failed,
    waiting_agents = r.waiting,
    skipped_agents = r.skipped,
    intermediate_outputs = (COALESCE(l.intermediate_outputs, '{}') - r.withdrawn) || r.outputs,
    estimated_completion_time = COALESCE(r.estimated_end, l.estimated_completion_time),
    last_sequence = r.sequence,
    last_heartbeat = NOW(),
    updated_at = NOW()
FROM jsonb_to_recordset(%(rows)s) AS r(
    workflow_execution_id UUID, step INTEGER, running TEXT[], completed TEXT[], failed TEXT[], waiting TEXT[],
    skipped TEXT[], withdrawn TEXT[], outputs JSONB, estimated_end TIMESTAMPTZ, sequence BIGINT
)
WHERE l.workflow_execution_id = r.workflow_execution_id

-- name: write_plan_states
UPDATE execution_plans p
SET current_step = r.step,
    completed_agents = r.completed,
    failed_agents = r.failed,
    usage = r.usage,
    updated_at = NOW()
FROM jsonb_to_recordset(%(rows)s) AS r(
    workflow_execution_id UUID, step INTEGER, completed TEXT[], failed TEXT[], usage JSONB
)
WHERE p.workflow_execution_id = r.workflow_execution_id

-- name: notify_events
SELECT pg_notify('planner_graph', r.workflow_execution_id || ' ' || r.sequence)
FROM jsonb_to_recordset(%(rows)s) AS r(workflow_execution_id UUID, sequence BIGINT)

-- name: heartbeat
UPDATE workflow_state_live l
SET last_heartbeat = NOW(), estimated_completion_time = COALESCE(r.estimated_end, l.estimated_completion_time)
FROM jsonb_to_recordset(%(rows)s) AS r(workflow_execution_id UUID, estimated_end TIMESTAMPTZ)
JOIN execution_plans p USING (workflow_execution_id)
WHERE l.workflow_execution_id = r.workflow_execution_id AND p.status = 'running'

-- name: find_run_of_thread
SELECT workflow_execution_id, plan_hash FROM execution_plans WHERE thread_id = %(thread_id)s

-- name: release_thread
UPDATE execution_plans
SET thread_id = thread_id || ' (used again by ' || %(run_id)s || ')'
WHERE thread_id = %(thread_id)s

-- History

-- name: list_known_agents
-- Jumps from name to name along the index; the table may be large, the names are few.
WITH RECURSIVE names AS (
    (SELECT r.agent_name FROM agent_runs r WHERE r.ended_at IS NOT NULL ORDER BY r.agent_name LIMIT 1)
    UNION ALL
    SELECT (
        SELECT r.agent_name FROM agent_runs r
        WHERE r.ended_at IS NOT NULL AND r.agent_name > n.agent_name
        ORDER BY r.agent_name
        LIMIT 1
    )
    FROM names n
    WHERE n.agent_name IS NOT NULL
)
SELECT agent_name FROM names WHERE agent_name IS NOT NULL

-- name: list_executions
-- An execution has come to an end of its own if it completed, or failed with no attempt left; anything else was cut off.
-- What a rerun kept of an earlier run is an execution of that one only.
SELECT e.agent_name, e.workflow_execution_id, e.status, e.attempts, own.started_at, e.ended_at, own.error, e.usage, e.work,
    EXTRACT(EPOCH FROM greatest(
        own.first_started_at - greatest(before.ended_at, e.run_started_at, under_way.since), INTERVAL '0'
    ))::FLOAT8 AS queue_seconds
FROM unnest(%(agents)s::TEXT[], %(works)s::TEXT[]) AS wanted(agent_name, work)
CROSS JOIN LATERAL (
    SELECT r.agent_name, r.workflow_execution_id, r.execution, r.attempt AS attempts, r.status,
        r.started_at AS attempt_started_at, r.ended_at, r.usage, r.work, p.id AS plan_id, p.started_at AS run_started_at
    FROM agent_runs r
    JOIN execution_plans p ON p.workflow_execution_id = r.workflow_execution_id
    WHERE r.agent_name = wanted.agent_name
        AND (wanted.work IS NULL OR r.work = wanted.work)
        AND r.started_at IS NOT NULL
        AND r.ended_at IS NOT NULL
        AND r.status = ANY (%(statuses)s)
        AND (r.status = 'completed' OR r.agent_name = ANY (p.failed_agents))
        AND NOT EXISTS (
            SELECT FROM agent_runs later
            WHERE later.workflow_execution_id = r.workflow_execution_id
                AND later.agent_name = r.agent_name
                AND (later.execution, later.attempt) > (r.execution, r.attempt)
        )
        AND NOT EXISTS (
            SELECT FROM run_events accepted
            WHERE accepted.workflow_execution_id = r.workflow_execution_id
                AND accepted.sequence = 1
                AND r.execution = 1
                AND accepted.data -> 'kept' ? r.agent_name
        )
    ORDER BY r.started_at DESC NULLS LAST, r.workflow_execution_id
    LIMIT %(last)s
) e
CROSS JOIN LATERAL (
    SELECT min(o.started_at) AS first_started_at,
        min(o.started_at) FILTER (WHERE o.execution = e.execution) AS started_at,
        (array_agg(o.error ORDER BY o.attempt DESC) FILTER (WHERE o.execution = e.execution AND o.error IS NOT NULL))[1]
            AS error
    FROM agent_runs o
    WHERE o.workflow_execution_id = e.workflow_execution_id AND o.agent_name = e.agent_name
) own
CROSS JOIN LATERAL (
    SELECT max(b.ended_at) AS ended_at
    FROM agent_dependencies d
    JOIN agent_runs b ON b.agent_name = ANY (d.depends_on_agents)
    WHERE d.execution_plan_id = e.plan_id
        AND d.agent_name = e.agent_name
        AND d.dependency_type IN ('hard', 'soft')
        AND b.workflow_execution_id = e.workflow_execution_id
) before
CROSS JOIN LATERAL (
    -- Nobody waits for their turn while the run is paused.
    SELECT max(v.at) AS since
    FROM run_events v
    WHERE v.workflow_execution_id = e.workflow_execution_id
        AND v.event IN ('run_started', 'run_resumed')
        AND v.at <= own.first_started_at
) under_way
ORDER BY e.agent_name, e.attempt_started_at DESC, e.workflow_execution_id

-- name: count_never_started
SELECT wanted.agent_name, r.work, count(*) AS runs
FROM unnest(%(agents)s::TEXT[], %(since)s::TIMESTAMPTZ[]) AS wanted(agent_name, since)
JOIN agent_runs r ON r.agent_name = wanted.agent_name
WHERE r.started_at IS NULL AND r.ended_at IS NOT NULL AND r.ended_at >= COALESCE(wanted.since, '-infinity')
GROUP BY wanted.agent_name, r.work

-- Leases

-- name: acquire_lease
-- Processes take turns: of two that insert the first lease of a run at the same instant, one would see the other's token
-- before its run, and fail.
WITH turn AS MATERIALIZED (
    SELECT set_config('lock_timeout', %(lock_milliseconds)s, TRUE),
        pg_advisory_xact_lock(hashtextextended('planner_graph lease ' || %(run_id)s::UUID, 0))
)
INSERT INTO run_leases AS l (workflow_execution_id, token, holder, session_pid, session_start, expires_at)
SELECT %(run_id)s::UUID, 1, %(holder)s, a.pid, a.backend_start, clock_timestamp() + make_interval(secs => %(seconds)s)
FROM turn, pg_stat_activity a
WHERE a.pid = pg_backend_pid()
ON CONFLICT (workflow_execution_id) DO UPDATE
SET token = l.token + 1,
    holder = EXCLUDED.holder,
    session_pid = EXCLUDED.session_pid,
    session_start = EXCLUDED.session_start,
    acquired_at = clock_timestamp(),
    renewed_at = clock_timestamp(),
    expires_at = EXCLUDED.expires_at
WHERE %(take_over)s
    OR l.expires_at <= clock_timestamp()
    OR l.renewed_at < clock_timestamp() - make_interval(secs => %(silence)s)
        AND NOT EXISTS (
            SELECT FROM pg_stat_activity a WHERE a.pid = l.session_pid AND a.backend_start = l.session_start
        )
RETURNING token

-- name: end_frozen
-- Ends sessions whose client fell silent while it held a fence. In a pipeline they do not count as idle in transaction.
SELECT pg_terminate_backend(a.pid)
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND pg_has_role(a.usesysid, 'MEMBER')
    AND a.wait_event = 'ClientRead' AND a.state_change < clock_timestamp() - make_interval(secs => %(silence)s)
    AND EXISTS (SELECT FROM pg_locks k WHERE k.pid = a.pid AND k.relation = 'run_leases'::REGCLASS AND k.granted)

-- name: get_holders
SELECT l.workflow_execution_id, l.token, l.holder, l.acquired_at, l.renewed_at, l.expires_at,
    EXISTS (
        SELECT FROM pg_stat_activity a WHERE a.pid = l.session_pid AND a.backend_start = l.session_start
    ) AS has_session
FROM run_leases l
WHERE l.workflow_execution_id = ANY (%(run_ids)s) AND l.expires_at > clock_timestamp()

-- name: renew_leases
UPDATE run_leases l
SET renewed_at = clock_timestamp(),
    expires_at = clock_timestamp() + make_interval(secs => %(seconds)s),
    session_pid = a.pid,
    session_start = a.backend_start
FROM jsonb_to_recordset(%(leases)s) AS r(run_id UUID, token BIGINT), pg_stat_activity a, execution_plans p
WHERE l.workflow_execution_id = r.run_id AND l.token = r.token AND a.pid = pg_backend_pid()
    AND p.workflow_execution_id = l.workflow_execution_id
RETURNING l.workflow_execution_id, l.token, p.status, p.status_reason

-- name: release_lease
UPDATE run_leases
SET expires_at = clock_timestamp()
WHERE workflow_execution_id = %(run_id)s AND token = %(token)s

-- name: fence
SELECT planner_graph_fence(%(run_id)s, %(token)s)

-- name: fence_all
SELECT planner_graph_fence(r.run_id, r.token)
FROM jsonb_to_recordset(%(leases)s) AS r(run_id UUID, token BIGINT)

-- name: list_left_behind
SELECT p.workflow_execution_id
FROM execution_plans p
WHERE p.status IN ('pending', 'running', 'pausing', 'cancelling')
    AND p.thread_id = p.workflow_execution_id || ':' || p.plan_revision
    AND p.updated_at < clock_timestamp() - make_interval(secs => %(silence)s)
    AND NOT EXISTS (
        SELECT FROM planner_graph_living_leases(%(silence)s) h WHERE h.workflow_execution_id = p.workflow_execution_id
    )
ORDER BY p.created_at, p.workflow_execution_id

-- Answers of people

-- name: get_answers
SELECT interrupt_id, agent_name, answer::TEXT AS answer, answered_by, reason, answered_at, taken_at
FROM run_answers
WHERE workflow_execution_id = %(run_id)s
ORDER BY answered_at, interrupt_id

-- name: put_answer
-- Changes nothing where the same was said before, nor where a process has gone on with what was said.
INSERT INTO run_answers AS a (workflow_execution_id, interrupt_id, agent_name, answer, answered_by, reason)
VALUES (%(run_id)s, %(interrupt_id)s, %(agent)s, %(answer)s, %(by)s, %(reason)s)
ON CONFLICT (workflow_execution_id, interrupt_id) DO UPDATE
SET answer = EXCLUDED.answer, answered_by = EXCLUDED.answered_by, reason = EXCLUDED.reason, answered_at = NOW()
WHERE a.taken_at IS NULL AND a.answer <> EXCLUDED.answer
RETURNING TRUE AS changed

-- name: take_answers
UPDATE run_answers
SET taken_at = COALESCE(taken_at, NOW())
WHERE workflow_execution_id = %(run_id)s AND interrupt_id = ANY (%(interrupt_ids)s)
RETURNING interrupt_id, agent_name, answer::TEXT AS answer, answered_by, reason, answered_at, taken_at

-- Retention: checkpoints of runs that ended before a certain time. Threads that others named may hold more than a run.

-- name: removal_begins
SELECT clock_timestamp() - make_interval(secs => %(seconds)s) AS before

-- name: list_removable
SELECT p.workflow_execution_id, p.ended_at
FROM execution_plans p
WHERE p.ended_at < %(before)s
    AND p.checkpoints_removed_at IS NULL
    AND (p.ended_at, p.workflow_execution_id) > (%(ended_at)s, %(run_id)s)
    AND p.thread_id = p.workflow_execution_id || ':' || p.plan_revision
ORDER BY p.ended_at, p.workflow_execution_id
LIMIT %(limit)s

-- name: lock_removable
-- Gives nothing if somebody holds the run or is changing it.
SELECT ARRAY(
    SELECT p.workflow_execution_id || ':' || revision FROM generate_series(1, p.plan_revision) AS revision
) AS threads
FROM execution_plans p
WHERE p.workflow_execution_id = %(run_id)s
    AND p.ended_at < %(before)s
    AND p.checkpoints_removed_at IS NULL
    AND NOT EXISTS (
        SELECT FROM planner_graph_living_leases(%(silence)s) h WHERE h.workflow_execution_id = p.workflow_execution_id
    )
FOR NO KEY UPDATE SKIP LOCKED

-- name: remove_checkpoints
-- Oldest first: until the last one goes, whoever reads the run finds its newest checkpoint, with all that belongs to it.
WITH chosen AS (
    SELECT thread_id, checkpoint_ns, checkpoint_id
    FROM checkpoints
    WHERE thread_id = ANY (%(threads)s)
    ORDER BY checkpoint_id
    LIMIT %(limit)s
), removed AS (
    DELETE FROM checkpoints c
    USING chosen o
    WHERE c.thread_id = o.thread_id AND c.checkpoint_ns = o.checkpoint_ns AND c.checkpoint_id = o.checkpoint_id
    RETURNING pg_column_size(c.checkpoint) + pg_column_size(c.metadata) AS size
)
SELECT count(*) AS rows, COALESCE(sum(size), 0)::BIGINT AS bytes FROM removed

-- name: remove_checkpoint_writes
WITH chosen AS (
    SELECT thread_id, checkpoint_ns, checkpoint_id, task_id, idx
    FROM checkpoint_writes
    WHERE thread_id = ANY (%(threads)s)
    LIMIT %(limit)s
), removed AS (
    DELETE FROM checkpoint_writes w
    USING chosen o
    WHERE w.thread_id = o.thread_id AND w.checkpoint_ns = o.checkpoint_ns AND w.checkpoint_id = o.checkpoint_id
        AND w.task_id = o.task_id AND w.idx = o.idx
    RETURNING pg_column_size(w.blob) AS size
)
SELECT count(*) AS rows, COALESCE(sum(size), 0)::BIGINT AS bytes FROM removed

-- name: remove_checkpoint_blobs
WITH chosen AS (
    SELECT thread_id, checkpoint_ns, channel, version
    FROM checkpoint_blobs
    WHERE thread_id = ANY (%(threads)s)
    LIMIT %(limit)s
), removed AS (
    DELETE FROM checkpoint_blobs b
    USING chosen o
    WHERE b.thread_id = o.thread_id AND b.checkpoint_ns = o.checkpoint_ns AND b.channel = o.channel
        AND b.version = o.version
    RETURNING COALESCE(pg_column_size(b.blob), 0) AS size
)
SELECT count(*) AS rows, COALESCE(sum(size), 0)::BIGINT AS bytes FROM removed

-- name: measure_checkpoints
SELECT count(*) AS rows, COALESCE(sum(pg_column_size(checkpoint) + pg_column_size(metadata)), 0)::BIGINT AS bytes
FROM checkpoints
WHERE thread_id = ANY (%(threads)s)

-- name: measure_checkpoint_writes
SELECT count(*) AS rows, COALESCE(sum(pg_column_size(blob)), 0)::BIGINT AS bytes
FROM checkpoint_writes
WHERE thread_id = ANY (%(threads)s)

-- name: measure_checkpoint_blobs
SELECT count(*) AS rows, COALESCE(sum(COALESCE(pg_column_size(blob), 0)), 0)::BIGINT AS bytes
FROM checkpoint_blobs
WHERE thread_id = ANY (%(threads)s)

-- name: note_removal
UPDATE execution_plans SET checkpoints_removed_at = NOW() WHERE workflow_execution_id = %(run_id)s

-- name: limit_lock_waits
SET LOCAL lock_timeout = '2s'

-- Another plan for a run that goes on

-- name: revise_plan
UPDATE execution_plans
SET campaign_id = %(campaign_id)s,
    execution_strategy = %(strategy)s,
    total_agents = %(total_agents)s,
    estimated_duration_minutes = %(estimated_duration_minutes)s,
    planned_sequence = planner_graph_sequence(given.plan),
    agent_configurations = (
        SELECT COALESCE(jsonb_object_agg(step ->> 'agent', step -> 'configuration'), '{}')
        FROM jsonb_array_elements(given.plan -> 'steps') step
    ),
    plan = given.plan,
    plan_hash = %(plan_hash)s,
    plan_revision = %(revision)s,
    campaign = %(campaign)s,
    thread_id = %(thread_id)s,
    planning_reasoning = %(reasoning)s,
    current_step = 0,
    completed_agents = ARRAY[]::TEXT[],
    failed_agents = ARRAY[]::TEXT[],
    updated_at = NOW()
FROM (SELECT %(plan)s::JSONB AS plan) given
WHERE workflow_execution_id = %(run_id)s
RETURNING id

-- name: delete_agent_dependencies
DELETE FROM agent_dependencies WHERE execution_plan_id = %(plan_id)s

-- name: revise_live_state
UPDATE workflow_state_live
SET execution_metadata = %(execution_metadata)s, estimated_completion_time = NULL, updated_at = NOW()
WHERE workflow_execution_id = %(run_id)s

-- name: has_own_thread
SELECT thread_id = workflow_execution_id || ':' || plan_revision AS own
FROM execution_plans
WHERE workflow_execution_id = %(run_id)s

-- Tokens of the server

-- name: insert_token
INSERT INTO api_tokens (name, role, token_hash, expires_at)
VALUES (%(name)s, %(role)s, %(hash)s, NOW() + make_interval(secs => %(seconds)s))
RETURNING *, 'usable' AS state

-- name: list_tokens
SELECT *, CASE
    WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= NOW() THEN 'expired' ELSE 'usable'
END AS state
FROM api_tokens
ORDER BY created_at, id

-- name: find_token
SELECT *, CASE
    WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= NOW() THEN 'expired' ELSE 'usable'
END AS state,
    COALESCE(last_used_at < NOW() - make_interval(secs => %(seconds)s), TRUE) AS use_is_news
FROM api_tokens
WHERE token_hash = %(hash)s

-- name: note_token_use
UPDATE api_tokens SET last_used_at = NOW() WHERE id = %(id)s

-- name: find_token_to_revoke
-- By its id or itself, or the usable one of that name, else the one of that name that was revoked last.
SELECT id FROM api_tokens
WHERE id::TEXT = %(token)s OR token_hash = %(hash)s OR name = %(token)s
ORDER BY name = %(token)s, revoked_at DESC NULLS FIRST
LIMIT 1

-- name: revoke_token
UPDATE api_tokens SET revoked_at = COALESCE(revoked_at, NOW()) WHERE id = %(id)s RETURNING *, 'revoked' AS state

-- name: has_usable_token
SELECT EXISTS (
    SELECT FROM api_tokens WHERE revoked_at IS NULL AND COALESCE(expires_at > NOW(), TRUE)
) AS found

-- The audit log of the server

-- name: insert_audit
INSERT INTO audit_log (
    principal, role, action, workflow_execution_id, subject, reason, outcome, detail, remote_address, request_id
) VALUES (
    %(principal)s, %(role)s, %(action)s, %(run_id)s, %(subject)s, %(reason)s, %(outcome)s, %(detail)s,
    %(remote_address)s, %(request_id)s
)
RETURNING id

-- name: settle_audit
UPDATE audit_log SET outcome = %(outcome)s, detail = %(detail)s WHERE id = %(id)s

-- name: list_audit
SELECT * FROM audit_log WHERE id < %(before)s ORDER BY id DESC LIMIT %(limit)s

-- name: remove_audit
WITH chosen AS (
    SELECT id FROM audit_log WHERE at < clock_timestamp() - make_interval(secs => %(seconds)s)
    ORDER BY at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM audit_log a USING chosen c WHERE a.id = c.id

-- name: count_audit
SELECT count(*) AS rows FROM audit_log WHERE at < clock_timestamp() - make_interval(secs => %(seconds)s)

-- Idempotency keys of the server

-- name: find_idempotency_key
SELECT workflow_execution_id, request_hash
FROM idempotency_keys
WHERE principal = %(principal)s AND key = %(key)s AND created_at > NOW() - make_interval(secs => %(seconds)s)

-- name: claim_idempotency_key
-- Waits for a transaction that is claiming the same key. Gives nothing if it was claimed before and counts still.
INSERT INTO idempotency_keys AS k (principal, key, request_hash, workflow_execution_id)
VALUES (%(principal)s, %(key)s, %(hash)s, %(run_id)s)
ON CONFLICT (principal, key) DO UPDATE
SET request_hash = EXCLUDED.request_hash, workflow_execution_id = EXCLUDED.workflow_execution_id, created_at = NOW()
WHERE k.created_at <= NOW() - make_interval(secs => %(seconds)s)
RETURNING key

-- name: remove_idempotency_keys
WITH chosen AS (
    SELECT principal, key FROM idempotency_keys
    WHERE created_at < clock_timestamp() - make_interval(secs => %(seconds)s)
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys k USING chosen c WHERE k.principal = c.principal AND k.key = c.key

-- name: count_idempotency_keys
SELECT count(*) AS rows FROM idempotency_keys
WHERE created_at < clock_timestamp() - make_interval(secs => %(seconds)s)

-- name: list_namespaces
SELECT DISTINCT checkpoint_ns FROM checkpoints WHERE thread_id = %(thread_id)s AND checkpoint_ns <> ''
