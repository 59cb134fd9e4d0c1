-- The tables of planner_graph. This file is the truth; it may be applied any number of times.
--
-- execution_plans, agent_dependencies and workflow_state_live are read by other teams' SQL: their names, columns,
-- types, defaults and indexes stay. One run is one row of execution_plans, known everywhere by its
-- workflow_execution_id, which therefore leads the key of every table that is written while a run goes on.
-- LangGraph's own tables (checkpoints, checkpoint_blobs, checkpoint_writes, checkpoint_migrations) stand beside these
-- and belong to LangGraph.

-- Which version of this file the tables have; one row per version that was ever applied, the highest counts.
CREATE TABLE IF NOT EXISTS planner_graph_schema (
    version INTEGER PRIMARY KEY,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    CONSTRAINT planner_graph_schema_version_positive CHECK (version > 0)
);

INSERT INTO planner_graph_schema (version) VALUES (5) ON CONFLICT (version) DO NOTHING;

-- What was asked for, under the id its author gave it, as it was last accepted. What a certain run was asked for
-- stands in that run's row.
CREATE TABLE IF NOT EXISTS campaigns (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    campaign_key TEXT NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    campaign_type TEXT,
    definition JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    -- Serves: accepting a run finds its campaign by key.
    CONSTRAINT campaigns_campaign_key_unique UNIQUE (campaign_key),
    CONSTRAINT campaigns_campaign_key_present CHECK (campaign_key <> ''),
    CONSTRAINT campaigns_definition_object CHECK (jsonb_typeof(definition) = 'object')
);

CREATE TABLE IF NOT EXISTS campaign_tasks (
    campaign_id UUID NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    task_type TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    parameters JSONB NOT NULL DEFAULT '{}',
    -- Serves: the tasks of a campaign, in order.
    PRIMARY KEY (campaign_id, position),
    CONSTRAINT campaign_tasks_position_from_one CHECK (position >= 1),
    CONSTRAINT campaign_tasks_task_type_present CHECK (task_type <> '')
);

-- One row per run: what was planned, and how far it is.
CREATE TABLE IF NOT EXISTS execution_plans (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    campaign_id UUID NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
    workflow_execution_id UUID UNIQUE NOT NULL,

    -- Execution configuration
    execution_strategy VARCHAR(50) NOT NULL DEFAULT 'sequential',
    total_agents INTEGER NOT NULL,
    estimated_duration_minutes INTEGER,

    -- Plan data. "planned_sequence" are its steps, see planner_graph_sequence; "plan" is the whole plan in its canonical form, whose SHA-256 is "plan_hash"; "campaign" is the
    -- campaign as this run accepted it.
    planned_sequence JSONB NOT NULL,
    agent_configurations JSONB,
    plan JSONB NOT NULL,
    plan_hash TEXT NOT NULL,
    plan_revision INTEGER NOT NULL DEFAULT 1,
    campaign JSONB NOT NULL,

    -- Where the run continues: its LangGraph thread, the "module:attribute" of its agents' bodies, where results go.
    thread_id TEXT NOT NULL,
    agents_reference TEXT,
    output_folder TEXT,

    -- State tracking. "current_step" is the furthest step that has begun; "usage" sums up what language models were used for
    -- the run: {"input_tokens", "output_tokens", "total_tokens", "calls", "cost_usd", "models": {...}}.
    status TEXT NOT NULL DEFAULT 'pending',
    status_reason TEXT,
    current_step INTEGER NOT NULL DEFAULT 0,
    completed_agents TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    failed_agents TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    result JSONB,
    usage JSONB,

    -- Metadata
    created_by_agent VARCHAR(100) NOT NULL DEFAULT 'MasterPlannerAgent',
    planning_reasoning TEXT,

    -- Timestamps
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    -- Since when the checkpoints of the run, which has ended, are gone; NULL if they were not removed.
    checkpoints_removed_at TIMESTAMPTZ,

    -- Serves: which run a checkpoint belongs to. Two runs on one thread would overwrite each other.
    CONSTRAINT execution_plans_thread_id_unique UNIQUE (thread_id),
    CONSTRAINT execution_plans_strategy_known CHECK (execution_strategy IN ('sequential', 'parallel', 'adaptive')),
    CONSTRAINT execution_plans_status_known CHECK (status IN (
        'pending', 'running', 'pausing', 'paused', 'cancelling', 'cancelled', 'completed', 'partial_success', 'failed'
    )),
    CONSTRAINT execution_plans_counts_not_negative CHECK (
        total_agents >= 0 AND estimated_duration_minutes >= 0 AND current_step >= 0
    ),
    CONSTRAINT execution_plans_step_within_plan CHECK (current_step <= total_agents),
    CONSTRAINT execution_plans_agents_within_plan CHECK (
        cardinality(completed_agents) + cardinality(failed_agents) <= total_agents
    ),
    CONSTRAINT execution_plans_completed_or_failed CHECK (NOT completed_agents && failed_agents),
    CONSTRAINT execution_plans_hash_is_sha256 CHECK (plan_hash ~ '^[0-9a-f]{64}$'),
    CONSTRAINT execution_plans_revision_from_one CHECK (plan_revision >= 1),
    CONSTRAINT execution_plans_ended_at_when_ended CHECK (
        (ended_at IS NOT NULL) = (status IN ('cancelled', 'completed', 'partial_success', 'failed'))
    ),
    CONSTRAINT execution_plans_started_at_when_running CHECK (started_at IS NOT NULL OR status <> 'running'),
    CONSTRAINT execution_plans_ends_after_start CHECK (ended_at >= started_at),
    CONSTRAINT execution_plans_removed_when_ended CHECK (checkpoints_removed_at IS NULL OR ended_at IS NOT NULL)
);

-- The edges of each plan. An agent has one row per kind of dependency it has, and one row of kind 'hard' with an empty
-- array if it has none; what is said of the agent itself is the same in each of its rows.
CREATE TABLE IF NOT EXISTS agent_dependencies (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    execution_plan_id UUID NOT NULL REFERENCES execution_plans(id) ON DELETE CASCADE,

    -- Agent identification
    agent_name VARCHAR(100) NOT NULL,
    agent_type VARCHAR(100) NOT NULL,

    -- Dependency configuration
    depends_on_agents TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    dependency_type VARCHAR(20) NOT NULL DEFAULT 'hard',
    execution_order INTEGER NOT NULL,

    -- Parallel execution
    parallel_group_id INTEGER,
    is_parallel_eligible BOOLEAN NOT NULL DEFAULT FALSE,

    -- Execution constraints
    max_retries INTEGER NOT NULL DEFAULT 3,
    timeout_minutes INTEGER NOT NULL DEFAULT 30,
    resource_requirements JSONB,

    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),

    -- What does the agent's work: a key of its outputs and of the code that the process that executes the run has for it.
    work TEXT,

    -- Serves: the place of certain agents in their plan, looked up as they start and end.
    CONSTRAINT agent_dependencies_agent_and_type_unique UNIQUE (execution_plan_id, agent_name, dependency_type),
    CONSTRAINT agent_dependencies_type_known CHECK (dependency_type IN ('hard', 'soft', 'optional')),
    CONSTRAINT agent_dependencies_order_from_one CHECK (execution_order >= 1),
    CONSTRAINT agent_dependencies_retries_not_negative CHECK (max_retries >= 0),
    CONSTRAINT agent_dependencies_timeout_positive CHECK (timeout_minutes > 0),
    CONSTRAINT agent_dependencies_not_on_itself CHECK (NOT agent_name::TEXT = ANY (depends_on_agents))
);

-- Where each run is at this moment. "waiting_agents" are those that have not started yet, or wait for their next attempt
-- or for an answer. "intermediate_outputs" maps agents to their outputs, and large outputs to {"preview": "...",
-- "truncated": true, "reference": {"thread_id": "...", "channel": "..."}}; whole outputs are in the checkpoint.
-- "last_sequence" counts the events of the run.
CREATE TABLE IF NOT EXISTS workflow_state_live (
    workflow_execution_id UUID PRIMARY KEY
        REFERENCES execution_plans(workflow_execution_id) ON DELETE CASCADE,

    -- Current execution state
    current_agents_running TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    current_step INTEGER NOT NULL DEFAULT 0,

    -- Completion tracking
    completed_agents TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    failed_agents TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    waiting_agents TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    skipped_agents TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],

    -- Performance metrics
    start_time TIMESTAMPTZ,
    estimated_completion_time TIMESTAMPTZ,

    -- State data
    execution_metadata JSONB,
    intermediate_outputs JSONB,

    -- Heartbeat for monitoring
    last_heartbeat TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    last_sequence BIGINT NOT NULL DEFAULT 0,

    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),

    CONSTRAINT workflow_state_live_step_not_negative CHECK (current_step >= 0),
    CONSTRAINT workflow_state_live_sequence_not_negative CHECK (last_sequence >= 0),
    CONSTRAINT workflow_state_live_one_list_per_agent CHECK (NOT (
        current_agents_running && completed_agents
        OR current_agents_running && failed_agents
        OR current_agents_running && waiting_agents
        OR completed_agents && failed_agents
        OR completed_agents && waiting_agents
        OR failed_agents && waiting_agents
        OR skipped_agents && current_agents_running
        OR skipped_agents && completed_agents
        OR skipped_agents && failed_agents
        OR skipped_agents && waiting_agents
    ))
);

-- One row per attempt of an agent. A resumed run executes an unfinished agent anew: "execution" counts those, and
-- "attempt" counts the tries within each. Attempt 0 stands for an agent that ended without ever starting: skipped,
-- cancelled, or failed before its first attempt.
CREATE TABLE IF NOT EXISTS agent_runs (
    workflow_execution_id UUID NOT NULL
        REFERENCES execution_plans(workflow_execution_id) ON DELETE CASCADE,
    agent_name VARCHAR(100) NOT NULL,
    execution INTEGER NOT NULL DEFAULT 1,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    error JSONB,
    reason TEXT,
    usage JSONB,
    -- What did the work, as in agent_dependencies; NULL where that is not known.
    work TEXT,

    -- Serves: the attempts of a run, and those of certain agents in it.
    PRIMARY KEY (workflow_execution_id, agent_name, execution, attempt),
    CONSTRAINT agent_runs_status_known CHECK (
        status IN ('running', 'completed', 'failed', 'skipped', 'cancelled', 'interrupted')
    ),
    CONSTRAINT agent_runs_counts_not_negative CHECK (execution >= 1 AND attempt >= 0),
    CONSTRAINT agent_runs_attempt_zero_never_started CHECK ((attempt = 0) = (started_at IS NULL)),
    CONSTRAINT agent_runs_running_has_started CHECK (attempt > 0 OR status IN ('skipped', 'cancelled', 'failed')),
    CONSTRAINT agent_runs_ended_at_when_ended CHECK ((ended_at IS NULL) = (status = 'running')),
    CONSTRAINT agent_runs_ends_after_start CHECK (ended_at >= started_at),
    CONSTRAINT agent_runs_no_error_if_completed CHECK (status <> 'completed' OR error IS NULL),
    CONSTRAINT agent_runs_skip_has_reason CHECK (status <> 'skipped' OR reason IS NOT NULL)
);

-- What happened in each run, in order: "sequence" counts from 1 without a gap, so whoever has seen an event asks for what
-- came after it. "at" is when it happened, by the clock of the process; "recorded_at" when it was written. Whoever
-- LISTENs to the channel planner_graph is told 'WORKFLOW_EXECUTION_ID SEQUENCE' when a run has new events.
CREATE TABLE IF NOT EXISTS run_events (
    workflow_execution_id UUID NOT NULL
        REFERENCES execution_plans(workflow_execution_id) ON DELETE CASCADE,
    sequence BIGINT NOT NULL,
    event TEXT NOT NULL,
    agent_name VARCHAR(100),
    at TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    data JSONB NOT NULL DEFAULT '{}',

    -- Serves: the events of a run after a certain one, in order.
    PRIMARY KEY (workflow_execution_id, sequence),
    CONSTRAINT run_events_sequence_from_one CHECK (sequence >= 1),
    CONSTRAINT run_events_event_known CHECK (event IN (
        'run_accepted', 'run_started', 'run_interrupted', 'run_resumed', 'run_pausing', 'run_paused', 'run_cancelling',
        'run_taken_over', 'run_replanned', 'run_ended', 'run_reconciled',
        'agent_started', 'attempt_failed', 'agent_warning', 'agent_interrupted', 'agent_answered', 'agent_ended',
        'agent_reopened'
    )),
    CONSTRAINT run_events_agent_if_of_agent CHECK ((agent_name IS NULL) = (event LIKE 'run\_%')),
    CONSTRAINT run_events_data_object CHECK (jsonb_typeof(data) = 'object')
);

-- Who may write a run. A process holds a run with a token, which grows with each holder; what it writes with an older one
-- is refused. Leases end by the clock of the database. "session_pid" and "session_start" name the holder's session (as in
-- pg_stat_activity): without it, the holder is gone before its lease ends.
CREATE TABLE IF NOT EXISTS run_leases (
    workflow_execution_id UUID PRIMARY KEY
        REFERENCES execution_plans(workflow_execution_id) ON DELETE CASCADE,
    token BIGINT NOT NULL,
    holder TEXT NOT NULL,
    session_pid INTEGER NOT NULL,
    session_start TIMESTAMPTZ NOT NULL,
    acquired_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    renewed_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMPTZ NOT NULL,

    -- An update of a key conflicts with FOR KEY SHARE, which every write takes; the renewal of a lease does not.
    -- Serves: taking a run over waits for what its holder is writing.
    CONSTRAINT run_leases_token_unique UNIQUE (workflow_execution_id, token),
    CONSTRAINT run_leases_token_from_one CHECK (token >= 1)
);

-- What people answered to the questions of agents. LangGraph names each question of a run by an "interrupt_id". An answer
-- may be replaced until "taken_at", when a process first went on with it.
CREATE TABLE IF NOT EXISTS run_answers (
    workflow_execution_id UUID NOT NULL
        REFERENCES execution_plans(workflow_execution_id) ON DELETE CASCADE,
    interrupt_id TEXT NOT NULL,
    agent_name VARCHAR(100) NOT NULL,
    answer JSONB NOT NULL,
    answered_by TEXT NOT NULL,
    reason TEXT,
    answered_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    taken_at TIMESTAMPTZ,

    -- Serves: the answers to certain questions of a run, when it goes on or is about to pause.
    PRIMARY KEY (workflow_execution_id, interrupt_id),
    CONSTRAINT run_answers_interrupt_present CHECK (interrupt_id <> ''),
    CONSTRAINT run_answers_by_somebody CHECK (answered_by <> '')
);

-- Who may use the server, by tokens. Of a token only the SHA-256 is kept. A revoked token stays, as the audit log names it;
-- its name may be given again. 'local' stands for whoever needs no token.
CREATE TABLE IF NOT EXISTS api_tokens (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,

    -- Serves: the token that a request brings.
    CONSTRAINT api_tokens_hash_unique UNIQUE (token_hash),
    CONSTRAINT api_tokens_hash_is_sha256 CHECK (octet_length(token_hash) = 32),
    CONSTRAINT api_tokens_name_plain CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$' AND name <> 'local'),
    CONSTRAINT api_tokens_role_known CHECK (role IN ('viewer', 'operator', 'admin')),
    CONSTRAINT api_tokens_expires_after_creation CHECK (expires_at > created_at)
);

-- Who asked the server for what, and what came of it: 'begun' until that is known, and for ever if the process died before.
-- A row outlives the run it names, and may name one that never was. "subject" is an agent or a token.
CREATE TABLE IF NOT EXISTS audit_log (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    principal TEXT NOT NULL,
    role TEXT NOT NULL,
    action TEXT NOT NULL,
    workflow_execution_id UUID,
    subject TEXT,
    reason TEXT,
    outcome TEXT NOT NULL DEFAULT 'begun',
    detail TEXT,
    remote_address TEXT,
    request_id TEXT,

    CONSTRAINT audit_log_principal_present CHECK (principal <> ''),
    CONSTRAINT audit_log_role_known CHECK (role IN ('viewer', 'operator', 'admin')),
    CONSTRAINT audit_log_action_known CHECK (action IN (
        'start', 'pause', 'resume', 'cancel', 'approve', 'reject', 'create_token', 'revoke_token'
    )),
    CONSTRAINT audit_log_outcome_known CHECK (outcome IN ('begun', 'done', 'refused', 'failed'))
);

-- Which run a request has started that may be sent again, by the key its client gave it. "request_hash" is the SHA-256 of
-- what was asked for. The row is written before its run is, in one transaction.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    workflow_execution_id UUID NOT NULL
        REFERENCES execution_plans(workflow_execution_id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),

    -- Serves: the run that a key has started; two requests at the same instant start one.
    PRIMARY KEY (principal, key),
    CONSTRAINT idempotency_keys_principal_present CHECK (principal <> ''),
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_hash_is_sha256 CHECK (octet_length(request_hash) = 32)
);

-- Refuses the transaction of a process that does not hold the run any more, with SQLSTATE PGF01.
CREATE OR REPLACE FUNCTION planner_graph_fence(run UUID, held BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM run_leases WHERE workflow_execution_id = run AND token = held FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % is held by another process', run USING ERRCODE = 'PGF01';
    END IF;
END
$$;

-- The leases of processes that live. One whose session is gone may have lost no more than a connection: it counts as living
-- until it was silent for so many seconds. STABLE, so that a query sees through it; nothing in it is kept from one to the next.
CREATE OR REPLACE FUNCTION planner_graph_living_leases(silence FLOAT8)
RETURNS TABLE (workflow_execution_id UUID, holder TEXT) LANGUAGE sql STABLE AS $$
    SELECT l.workflow_execution_id, l.holder
    FROM run_leases l
    LEFT JOIN pg_stat_activity a ON a.pid = l.session_pid AND a.backend_start = l.session_start
    WHERE l.expires_at > clock_timestamp()
        AND (a.pid IS NOT NULL OR l.renewed_at > clock_timestamp() - make_interval(secs => silence))
$$;

-- The steps of a plan as other teams read them: each with its own fields, under these names, too; "dependencies" are names of
-- agents, and "edges" say of which kind they are. In an adaptive plan "can_reschedule" marks steps with one dependency at most.
CREATE OR REPLACE FUNCTION planner_graph_sequence(plan JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
    SELECT COALESCE(jsonb_agg(s.step || jsonb_build_object(
        'agent_name', s.step -> 'agent',
        'agent_type', s.step -> 'type',
        'execution_order', s.step -> 'order',
        'dependencies', d.names,
        'edges', s.step -> 'dependencies',
        'timeout_minutes', greatest(1, ceil((s.step ->> 'timeout_seconds')::FLOAT8 / 60))::INTEGER
    ) || CASE WHEN plan ->> 'strategy' = 'adaptive' THEN jsonb_build_object(
        'adaptive_scheduling', s.step -> 'parallel_safe',
        'can_reschedule', jsonb_array_length(d.names) <= 1
    ) ELSE '{}' END ORDER BY s.place), '[]')
    FROM jsonb_array_elements(plan -> 'steps') WITH ORDINALITY AS s(step, place)
    CROSS JOIN LATERAL (
        SELECT COALESCE(jsonb_agg(e.edge -> 'agent' ORDER BY e.place), '[]') AS names
        FROM jsonb_array_elements(s.step -> 'dependencies') WITH ORDINALITY AS e(edge, place)
    ) d
$$;

-- A run with its campaign's name, but for its plan and its campaign, which are read by those who need them.
CREATE OR REPLACE VIEW planner_graph_runs AS
SELECT p.id, p.workflow_execution_id, c.campaign_key, c.name AS campaign_name, p.execution_strategy, p.status,
    p.status_reason, p.total_agents, p.estimated_duration_minutes, p.current_step, p.completed_agents, p.failed_agents,
    p.planning_reasoning, p.plan_hash, p.plan_revision, p.thread_id, p.agents_reference, p.output_folder, p.result,
    p.usage, p.created_at, p.updated_at, p.started_at, p.ended_at, p.checkpoints_removed_at
FROM execution_plans p
JOIN campaigns c ON c.id = p.campaign_id;

-- A run as lists show it: how many of its agents stand where. Its result may be large and is left out.
CREATE OR REPLACE VIEW planner_graph_run_list AS
SELECT p.workflow_execution_id, c.campaign_key, c.name AS campaign_name, p.status, p.status_reason, p.execution_strategy,
    p.total_agents, p.started_at, p.ended_at, p.created_at, l.estimated_completion_time, l.last_sequence, p.plan_hash,
    p.plan_revision, p.usage, p.checkpoints_removed_at, cardinality(l.current_agents_running) AS running,
    cardinality(l.completed_agents) AS completed, cardinality(l.failed_agents) AS failed,
    cardinality(l.skipped_agents) AS skipped, cardinality(l.waiting_agents) AS waiting
FROM execution_plans p
JOIN campaigns c ON c.id = p.campaign_id
JOIN workflow_state_live l USING (workflow_execution_id);

-- Serves: all runs of a campaign.
CREATE INDEX IF NOT EXISTS idx_execution_plans_campaign ON execution_plans(campaign_id);
-- Serves: the run with a certain id. The unique constraint would do; other teams' tools look for this name.
CREATE INDEX IF NOT EXISTS idx_execution_plans_workflow ON execution_plans(workflow_execution_id);
-- Serves: the runs, latest first.
CREATE INDEX IF NOT EXISTS idx_execution_plans_created ON execution_plans(created_at DESC);
-- Serves: the runs in a certain state, latest first.
CREATE INDEX IF NOT EXISTS idx_execution_plans_status ON execution_plans(status, created_at DESC);
-- Serves: the runs whose checkpoints may be removed, those that ended first coming first.
CREATE INDEX IF NOT EXISTS idx_execution_plans_removable
    ON execution_plans(ended_at, workflow_execution_id) WHERE ended_at IS NOT NULL AND checkpoints_removed_at IS NULL;
-- Serves: the edges of a plan. The index by order would do; other teams' tools look for this name.
CREATE INDEX IF NOT EXISTS idx_agent_dependencies_plan ON agent_dependencies(execution_plan_id);
-- Serves: the edges of a plan in execution order.
CREATE INDEX IF NOT EXISTS idx_agent_dependencies_order ON agent_dependencies(execution_plan_id, execution_order);
-- Serves: runs that have not been heard of for a while.
CREATE INDEX IF NOT EXISTS idx_workflow_state_live_heartbeat ON workflow_state_live(last_heartbeat);
-- Serves: nothing is completed twice; "exactly once" is promised for results.
CREATE UNIQUE INDEX IF NOT EXISTS idx_agent_runs_one_completed
    ON agent_runs(workflow_execution_id, agent_name) WHERE status = 'completed';
-- Serves: an agent runs at most once at a time, and the running ones of a run are found when it stops.
CREATE UNIQUE INDEX IF NOT EXISTS idx_agent_runs_one_running
    ON agent_runs(workflow_execution_id, agent_name) WHERE status = 'running';
-- Serves: the latest runs of an agent, the names of all agents that ever ran, and how often one was skipped since.
CREATE INDEX IF NOT EXISTS idx_agent_runs_history
    ON agent_runs(agent_name, started_at DESC NULLS LAST, ended_at) WHERE ended_at IS NOT NULL;
-- Serves: since when a run was under way, for how long its agents then waited to start.
CREATE INDEX IF NOT EXISTS idx_run_events_under_way
    ON run_events(workflow_execution_id, at) WHERE event IN ('run_started', 'run_resumed');
-- Serves: one usable token per name, and the token with a certain name.
CREATE UNIQUE INDEX IF NOT EXISTS idx_api_tokens_name ON api_tokens(name) WHERE revoked_at IS NULL;
-- Serves: entries of the audit log that are old enough to be removed.
CREATE INDEX IF NOT EXISTS idx_audit_log_at ON audit_log(at);
-- Serves: keys that count no longer.
CREATE INDEX IF NOT EXISTS idx_idempotency_keys_created ON idempotency_keys(created_at);
-- Serves: the keys of a run that is deleted.
CREATE INDEX IF NOT EXISTS idx_idempotency_keys_run ON idempotency_keys(workflow_execution_id);
