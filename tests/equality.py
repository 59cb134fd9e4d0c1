"""Whether the tables of a run equal its checkpoint, found out without the code that writes them."""

import json
from collections import Counter
from typing import Any

from planner_graph.compiler.compiler import compile_plan
from planner_graph.compiler.state import stored_records
from planner_graph.store.database import Database
from planner_graph.store.plain import as_read, exact_number, plain_json
from planner_graph.store.repository import Repository
from planner_graph.store.saver import checkpointer

LISTS = {
    "running": "current_agents_running",
    "completed": "completed_agents",
    "failed": "failed_agents",
    "waiting": "waiting_agents",
    "skipped": "skipped_agents",
}
ENDED = {"completed", "partial_success", "failed"}


async def differences(database: Database, run_id: str) -> list[str]:
    """Say in what the tables of a run differ from its checkpoint, and from each other; nothing if they are equal."""
    run = await Run.read(database, run_id)
    return [*run.in_lists(), *run.in_attempts(), *run.in_outputs(), *run.in_usage(), *run.in_status(), *run.in_events()]


class Run:
    """A run as the tables and as the checkpoint have it."""

    def __init__(self, plan: Any, snapshot: Any, tables: dict[str, list[dict[str, Any]]]) -> None:
        self.agents = [step.agent for step in plan.steps]
        self.records: dict[Any, Any] = dict(stored_records(snapshot, self.agents))
        self.result = None if snapshot.next else snapshot.values.get("result")
        [self.plan], [self.live] = tables["execution_plans"], tables["workflow_state_live"]
        self.attempts = tables["agent_runs"]
        self.events = sorted(tables["run_events"], key=lambda event: event["sequence"])

    @classmethod
    async def read(cls, database: Database, run_id: str) -> "Run":
        row = await Repository(database).get_run(run_id)
        plan = await Repository(database).load_plan(row.run_id)
        graph = compile_plan(plan, dict.fromkeys(plan.by_agent, print), checkpointer=checkpointer(database))
        snapshot = await graph.aget_state({"configurable": {"thread_id": row.thread_id}})
        tables = {}
        async with database.pool.connection() as conn:
            for table in ("execution_plans", "workflow_state_live", "agent_runs", "run_events"):
                query = f"SELECT * FROM {table} WHERE workflow_execution_id = %s"  # noqa: S608  # names from above
                tables[table] = await (await conn.execute(query.encode(), [row.run_id])).fetchall()
        return cls(plan, snapshot, tables)

    def of(self, status):
        return [agent for agent in self.agents if agent in self.records and self.records[agent]["status"] == status]

    def rows(self, agent):
        own = [row for row in self.attempts if row["agent_name"] == agent]
        return sorted(own, key=lambda row: (row["execution"], row["attempt"]))

    def in_lists(self):
        unfinished = [agent for agent in self.agents if agent not in self.records]
        at_work = unfinished if self.plan["status"] == "running" else []
        for name, column in LISTS.items():
            said = self.live[column]
            if name in {"running", "waiting"}:
                if set(said) - set(at_work if name == "running" else unfinished):
                    yield f"{column}: {said}, though only {unfinished} have not ended"
            elif sorted(said) != sorted(self.of(name)):
                yield f"{column}: {said}, the checkpoint has {self.of(name)}"
        if sorted(self.live["current_agents_running"] + self.live["waiting_agents"]) != sorted(unfinished):
            yield f"neither running nor waiting, though they have not ended: {unfinished}"
        for column in ("completed_agents", "failed_agents"):
            if self.plan[column] != self.live[column]:
                yield f"{column} of the plan: {self.plan[column]}, of the live state: {self.live[column]}"
        if self.plan["current_step"] != self.live["current_step"]:
            yield "the steps of plan and live state differ"
        if self.records and not 1 <= self.plan["current_step"] <= len(self.agents):
            yield f"the step is {self.plan['current_step']}"

    def in_attempts(self):
        for agent in self.agents:
            rows, record = self.rows(agent), self.records.get(agent)
            completed = [row for row in rows if row["status"] == "completed"]
            if self.plan["status"] != "running" and any(row["status"] == "running" for row in rows):
                yield f"{agent}: an attempt is running"
            if record is None:
                if completed or (rows and rows[-1]["status"] == "skipped"):
                    yield f"{agent}: its last attempt is {rows[-1]['status']}, though it has not ended"
                continue
            if not rows:
                yield f"{agent}: {record['status']} without an attempt"
                continue
            if len(completed) != (record["status"] == "completed"):
                yield f"{agent}: {len(completed)} completed attempts"
            for problem in self.in_last_row(rows, record):
                yield f"{agent}: {problem}"

    def in_last_row(self, rows, record):
        last = rows[-1]
        execution = [row for row in rows if row["execution"] == last["execution"]]
        for column in ("status", "reason", "usage"):
            if last[column] != record[column]:
                yield f"{column} is {last[column]!r}, the record has {record[column]!r}"
        if last["attempt"] != record["attempts"]:
            yield f"{last['attempt']} attempts, the record has {record['attempts']}"
        if record["status"] == "failed" and last["error"] != record["error"]:
            yield f"the error is {last['error']}, the record has {record['error']}"
        if iso(execution[0]["started_at"]) != record["started_at"]:
            yield f"started at {iso(execution[0]['started_at'])}, the record has {record['started_at']}"
        # The failure of an attempt is told a moment before the record is made.
        if record["status"] != "failed" and iso(last["ended_at"]) != record["ended_at"]:
            yield f"ended at {iso(last['ended_at'])}, the record has {record['ended_at']}"
        for row in rows[:-1]:
            if row["status"] in {"completed", "running", "skipped"}:
                yield f"an attempt before the last one is {row['status']}"

    def in_outputs(self):
        shown = exact(self.live["intermediate_outputs"] or {})
        if sorted(shown) != sorted(self.of("completed")):
            yield f"outputs of {sorted(shown)}, the checkpoint has those of {sorted(self.of('completed'))}"
            return
        for agent, value in shown.items():
            whole = self.records[agent]["output"]
            if value == as_read(plain_json(whole)):
                continue
            text = json.dumps(whole, ensure_ascii=False)
            reference = {"thread_id": self.plan["thread_id"], "channel": agent}
            if value.keys() != {"preview", "truncated", "reference"} or not text.startswith(value["preview"]):
                yield f"{agent}: shows {value!r}"
            elif value["reference"] != reference or value["truncated"] is not True or not value["preview"]:
                yield f"{agent}: refers to {value!r}"

    def in_usage(self):
        used = [row["usage"] for row in self.attempts if row["usage"]]
        for key in ("input_tokens", "output_tokens", "total_tokens", "calls"):
            total = sum(usage[key] for usage in used) if used else None
            if (self.plan["usage"] or {}).get(key) != total:
                yield f"{key} of the run: {self.plan['usage']}, of its attempts: {total}"

    def in_status(self):
        status = self.plan["status"]
        if self.result is None:
            if status in ENDED or self.plan["result"] is not None:
                yield f"the run is {status} with the result {self.plan['result']}, the checkpoint has not ended"
        elif status != self.result["status"]:
            yield f"the run is {status}, the checkpoint says {self.result['status']}"
        elif exact(self.plan["result"]) != as_read(plain_json(self.result)):
            yield "the results differ"
        if (self.plan["ended_at"] is not None) != (status in ENDED):
            yield f"the run is {status} and ended at {self.plan['ended_at']}"
        steps = {"run_started": "running", "run_paused": "paused", "run_ended": self.plan["status"]}
        told = [event["event"] for event in self.events if event["event"] in steps]
        if (steps[told[-1]] if told else "pending") != status:
            yield f"the run is {status}, its events say {told}"
        if told.count("run_ended") != (status in ENDED):
            yield f"{told.count('run_ended')} ends of the run are told"

    def in_events(self):
        numbers = sorted(event["sequence"] for event in self.events)
        if numbers != list(range(1, len(numbers) + 1)) or self.live["last_sequence"] != len(numbers):
            yield f"the events are {numbers}, the last one is {self.live['last_sequence']}"
        valid = self.ends_that_count()
        ends = Counter({agent: len(records) for agent, records in valid.items() if records})
        if ends != Counter(self.records.keys()):
            yield f"ends told that count: {dict(ends)}, ended: {sorted(self.records)}"
            return
        for agent, [told] in ((agent, records) for agent, records in valid.items() if records):
            for key in ("status", "attempts", "started_at", "ended_at", "reason", "error", "usage"):
                if told[key] != self.records[agent][key]:
                    yield f"{agent}: its end was told with {key} {told[key]!r}, not {self.records[agent][key]!r}"

    def ends_that_count(self):
        """Give the records that were told of each agent since it began, or was reopened, for the last time."""
        valid: dict[str, list[Any]] = {}
        for event in self.events:
            if event["event"] in {"agent_started", "agent_reopened"}:
                valid[event["agent_name"]] = []
            elif event["event"] == "agent_ended":
                valid.setdefault(event["agent_name"], []).append(event["data"]["record"])
            elif event["event"] == "run_replanned":
                valid = {agent: told for agent, told in valid.items() if agent not in event["data"]["gone"]}
        return valid


def exact(value):
    """Give stored JSON as it was: jsonb writes the float 1e30 out as an integer that none of ours can be."""
    return json.loads(json.dumps(value), parse_int=exact_number)


def iso(time):
    return time and time.isoformat(timespec="microseconds")
