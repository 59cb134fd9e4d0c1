-- From version 2 to 3: leases and answers, whose tables schema.sql makes, the events of controlled runs, and retention.
ALTER TABLE IF EXISTS run_events DROP CONSTRAINT run_events_event_known;
ALTER TABLE IF EXISTS run_events ADD CONSTRAINT run_events_event_known CHECK (event IN (
        'run_accepted', 'run_started', 'run_interrupted', 'run_resumed', 'run_pausing', 'run_paused', 'run_cancelling',
        'run_taken_over', 'run_replanned', 'run_ended', 'run_reconciled',
        'agent_started', 'attempt_failed', 'agent_interrupted', 'agent_answered', 'agent_ended', 'agent_reopened'
));

ALTER TABLE execution_plans ADD COLUMN checkpoints_removed_at TIMESTAMPTZ;
ALTER TABLE execution_plans
    ADD CONSTRAINT execution_plans_removed_when_ended CHECK (checkpoints_removed_at IS NULL OR ended_at IS NOT NULL);
