"""LangGraph's checkpoints in the same database."""

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from planner_graph.store.database import Database


def checkpointer(database: Database) -> AsyncPostgresSaver:
    """Give a checkpoint saver over the shared pool.

    Make one for each run: a saver lets one query through at a time, so runs that shared one would wait for each other.
    """
    return AsyncPostgresSaver(database.pool)
