-- From version 4 to 5: the event of a warning, and what does the work of agents; of earlier runs that is not known.
ALTER TABLE IF EXISTS run_events DROP CONSTRAINT run_events_event_known;
ALTER TABLE IF EXISTS run_events ADD CONSTRAINT run_events_event_known CHECK (event IN (
        'run_accepted', 'run_started', 'run_interrupted', 'run_resumed', 'run_pausing', 'run_paused', 'run_cancelling',
        'run_taken_over', 'run_replanned', 'run_ended', 'run_reconciled',
        'agent_started', 'attempt_failed', 'agent_warning', 'agent_interrupted', 'agent_answered', 'agent_ended',
        'agent_reopened'
));
ALTER TABLE IF EXISTS agent_dependencies ADD COLUMN IF NOT EXISTS work TEXT;
ALTER TABLE IF EXISTS agent_runs ADD COLUMN IF NOT EXISTS work TEXT;
