/**
 * Where the agents of a run stand: taken from the tables once, and brought forward by events.
 *
 * An event sets what it tells absolutely, so that hearing it twice, or after a look at newer tables, does no harm.
 */

import { hasEnded } from "../states.js";

const AFTER_RUN_EVENT = {
  run_started: "running",
  run_pausing: "pausing",
  run_paused: "paused",
  run_cancelling: "cancelling",
};

/** Events after which the tables have to be read anew. */
const CHANGES_ALL = new Set(["run_reconciled", "run_replanned"]);

export class RunModel {
  /** `plan` is the plan's JSON; its steps are in execution order. */
  constructor(plan) {
    this.plan = plan;
    this.status = "pending";
    this.startedAt = null;
    this.endedAt = null;
    this.agents = new Map(plan.steps.map((step) => [step.agent, newAgent(step)]));
    this.critical = new Set(plan.critical_path);
  }

  /** Takes over the run's row; `later` are the events that were heard since it was read. */
  setRun(run, later = []) {
    this.run = run;
    this.status = run.status;
    this.startedAt = run.started_at;
    this.endedAt = run.ended_at;
    for (const event of later) if (event.event.startsWith("run_")) this.applyToRun(event);
  }

  /** Takes over the attempts that the tables hold, and how the agents stand by a progress report. */
  setTables(attempts, progress) {
    for (const agent of this.agents.values()) {
      agent.attempts = [];
      agent.status = "waiting";
      agent.reason = null;
    }
    for (const row of attempts) this.agents.get(row.agent)?.attempts.push({ ...row });
    for (const agent of this.agents.values()) {
      agent.attempts.sort((a, b) => a.execution - b.execution || a.attempt - b.attempt);
      agent.status = standing(agent.attempts.at(-1)?.status);
    }
    this.setProgress(progress);
    this.setLists(progress, ["completed", "failed", "skipped", "running"]);
  }

  /** Takes over which agents a report has in these lists. */
  setLists(progress, lists) {
    for (const status of lists) {
      for (const name of progress?.agents_status?.[status] ?? []) {
        if (this.agents.has(name)) this.agents.get(name).status = status;
      }
    }
  }

  /** Takes over a progress report: ETA, who waits for whom. */
  setProgress(progress) {
    if (!progress) return;
    this.progress = progress;
    for (const agent of this.agents.values()) {
      const why = progress.blocked?.[agent.name];
      agent.waitsFor = why?.waits_for ?? [];
      agent.why = why?.reason ?? null;
      if (agent.status === "waiting" || agent.status === "ready") {
        agent.status = why?.reason.startsWith("ready") ? "ready" : "waiting";
      }
      agent.overdue = progress.overdue?.[agent.name] ?? null;
    }
    if (hasEnded(progress.status)) this.setLists(progress, ["cancelled", "interrupted"]);
  }

  /** Takes over from the log why agents ended as they did. */
  setReasons(events) {
    for (const { event, agent_name: name, data } of events) {
      const agent = this.agents.get(name);
      if (agent && event === "agent_ended" && data.record?.status === agent.status)
        agent.reason = data.record.reason ?? null;
    }
  }

  /** Brings the model forward by one event; gives the name of the agent that changed, if one did. */
  apply(event) {
    if (event.event.startsWith("run_")) this.applyToRun(event);
    const agent = this.agents.get(event.agent_name);
    if (!agent) return null;
    agent.overdue = null; // until the next report
    const data = event.data ?? {};
    switch (event.event) {
      case "agent_started":
        begin(agent, data.attempt ?? 1, event.at);
        break;
      case "attempt_failed": {
        const last = data.retry_in_seconds === null || data.retry_in_seconds === undefined;
        end(agent, data.attempt, "failed", event.at, data.error);
        agent.status = last ? "failed" : "retrying";
        break;
      }
      case "agent_interrupted":
        end(agent, data.attempt, "interrupted", event.at);
        agent.status = "interrupted";
        agent.reason = data.reason ?? null;
        break;
      case "agent_ended": {
        const record = data.record ?? {};
        end(agent, record.attempts, record.status, record.ended_at ?? event.at, record.error);
        agent.status = record.status ?? agent.status;
        agent.reason = record.reason ?? null;
        agent.why = null;
        break;
      }
      case "agent_reopened":
        agent.status = "waiting";
        break;
      default:
        return null;
    }
    return agent.name;
  }

  applyToRun(event) {
    this.status = AFTER_RUN_EVENT[event.event] ?? this.status;
    if (event.event === "run_started") this.startedAt ??= event.at;
    if (event.event === "run_ended") {
      this.status = event.data?.status ?? this.status;
      this.endedAt = event.at;
      for (const agent of this.agents.values()) {
        if (agent.status === "ready" || agent.status === "waiting") agent.why = null;
      }
    }
  }

  /** Whether the tables have to be read anew after this event. */
  static changesAll(event) {
    return CHANGES_ALL.has(event.event);
  }

  /** How many agents are in each state of the progress bar. */
  counts() {
    const counts = { running: 0, completed: 0, failed: 0, skipped: 0, cancelled: 0, waiting: 0 };
    if (hasEnded(this.status)) counts.interrupted = 0; // of others it asks, which is to wait
    for (const agent of this.agents.values()) counts[agent.status in counts ? agent.status : "waiting"] += 1;
    return counts;
  }
}

function newAgent(step) {
  return { name: step.agent, step, status: "waiting", attempts: [], waitsFor: [], why: null, reason: null, overdue: null };
}

/** What the last row of an agent says of it; what is behind a failed or cancelled attempt, other sources tell. */
function standing(status) {
  if (status === undefined) return "waiting";
  return status === "failed" ? "retrying" : status;
}

function begin(agent, attempt, at) {
  const last = agent.attempts.at(-1);
  const known = agent.attempts.some((row) => row.attempt === attempt && Date.parse(row.started_at) === Date.parse(at));
  agent.status = "running";
  agent.why = null;
  if (known || (last?.status === "running" && last.attempt === attempt)) return;
  const execution = last ? last.execution + (attempt <= last.attempt ? 1 : 0) : 1;
  agent.attempts.push({ agent: agent.name, execution, attempt, status: "running", started_at: at, ended_at: null });
}

function end(agent, attempt, status, at, error = null) {
  const row = agent.attempts.findLast((other) => attempt === undefined || other.attempt === attempt);
  if (!row || (row.ended_at && row.status === status)) return;
  row.status = status;
  row.ended_at = at;
  row.error = error;
}
