-- From version 1 to 2: events of runs, skipped agents, usage. schema.sql makes the table run_events.
ALTER TABLE execution_plans ADD COLUMN usage JSONB;

ALTER TABLE workflow_state_live ADD COLUMN skipped_agents TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[];
ALTER TABLE workflow_state_live ADD COLUMN last_sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflow_state_live
    ADD CONSTRAINT workflow_state_live_sequence_not_negative CHECK (last_sequence >= 0);
ALTER TABLE workflow_state_live DROP CONSTRAINT workflow_state_live_one_list_per_agent;
ALTER TABLE workflow_state_live ADD CONSTRAINT workflow_state_live_one_list_per_agent CHECK (NOT (
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
));

UPDATE workflow_state_live l
SET skipped_agents = ARRAY(
    SELECT a.agent_name::TEXT
    FROM agent_runs a
    WHERE a.workflow_execution_id = l.workflow_execution_id AND a.status = 'skipped'
        AND NOT a.agent_name::TEXT = ANY (
            l.current_agents_running || l.completed_agents || l.failed_agents || l.waiting_agents
        )
    GROUP BY a.agent_name
    ORDER BY max(a.ended_at), a.agent_name
);
