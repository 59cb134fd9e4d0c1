"""Runs that a mirror followed, as the tables tell of them."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import dict_row

from planner_graph.types import AgentStatus

DIAMOND: Mapping[str, list[str]] = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
"""Dependencies of a small plan."""

WHOLE = ["run_accepted", "run_started", *["agent_started", "agent_ended"] * len(DIAMOND), "run_ended"]
"""The events of a run of it, though those of ``b`` and ``c`` may come in another order."""


class Tables:
    """What a database says of runs, read with a connection of its own at each question."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def ask(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Give the rows of a query, or none if it is no query."""
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as conn:
            cursor = conn.execute(sql.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def runs(self) -> list[str]:
        """Give the ids of all runs, in the order in which they were accepted."""
        found = self.ask("SELECT workflow_execution_id AS id FROM execution_plans ORDER BY created_at")
        return [str(row["id"]) for row in found]

    def plan(self, run: str) -> dict[str, Any]:
        """Give the row of a run in ``execution_plans``."""
        [row] = self.ask("SELECT * FROM execution_plans WHERE workflow_execution_id = %s", run)
        return row

    def live(self, run: str) -> dict[str, Any]:
        """Give the row of a run in ``workflow_state_live``."""
        [row] = self.ask("SELECT * FROM workflow_state_live WHERE workflow_execution_id = %s", run)
        return row

    def events(self, run: str) -> list[dict[str, Any]]:
        """Give the events of a run, after a look that none is missing in their count."""
        found = self.ask("SELECT * FROM run_events WHERE workflow_execution_id = %s ORDER BY sequence", run)
        assert [row["sequence"] for row in found] == list(range(1, len(found) + 1))
        assert self.live(run)["last_sequence"] == len(found)
        return found

    def log(self, run: str) -> list[str]:
        """Give what happened in a run, in order: ``agent_started a``, ``run_ended``."""
        return [" ".join(filter(None, (row["event"], row["agent_name"]))) for row in self.events(run)]

    def attempts(self, run: str) -> list[tuple[str, int, int, str]]:
        """Give agent, execution, attempt and status of each attempt, sorted."""
        found = self.ask("SELECT * FROM agent_runs WHERE workflow_execution_id = %s", run)
        return sorted((row["agent_name"], row["execution"], row["attempt"], row["status"]) for row in found)

    def check_complete(self, run: str, agents: Mapping[str, Any] = DIAMOND) -> None:
        """Fail unless the run completed at the first attempt of each agent, and the tables say all of it."""
        plan, live, log = self.plan(run), self.live(run), self.log(run)
        assert plan["status"] == "completed", plan["status_reason"]
        assert sorted(plan["completed_agents"]) == sorted(live["completed_agents"]) == sorted(agents)
        assert live["current_agents_running"] == live["waiting_agents"] == live["failed_agents"] == []
        assert self.attempts(run) == [(agent, 1, 1, AgentStatus.COMPLETED) for agent in sorted(agents)]
        told = [f"agent_{what} {agent}" for agent in agents for what in ("started", "ended")]
        assert sorted(log) == sorted(["run_accepted", "run_started", "run_ended", *told])
        assert (log[:2], log[-1]) == (["run_accepted", "run_started"], "run_ended")
        for agent in agents:
            assert log.index(f"agent_started {agent}") < log.index(f"agent_ended {agent}")
