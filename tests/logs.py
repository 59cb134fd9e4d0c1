"""The logs of runs as tests write them: with a notification, without one, and with all connections cut."""

from planner_graph.store import transitions

SILENTLY = """
    WITH counted AS (
        UPDATE workflow_state_live SET last_sequence = last_sequence + %(count)s
        WHERE workflow_execution_id = %(run_id)s
        RETURNING workflow_execution_id, last_sequence
    )
    INSERT INTO run_events (workflow_execution_id, sequence, event, at, data)
    SELECT workflow_execution_id, number, 'run_reconciled', NOW(), jsonb_build_object('text', repeat('x', %(size)s))
    FROM counted, generate_series(last_sequence - %(count)s + 1, last_sequence) AS number
"""
CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def tell(database, run_id, event, **data):
    async with database.pool.connection() as conn, conn.transaction():
        await transitions.log(conn, run_id, event, data)


async def tell_silently(database, run_id, count, size=0):
    async with database.pool.connection() as conn:
        await conn.execute(SILENTLY, {"run_id": run_id, "count": count, "size": size})
