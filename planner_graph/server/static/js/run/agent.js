/** The details of one agent beside the picture. */

import { get, runPath } from "../api.js";
import { h, put } from "../dom.js";
import { folded } from "../fold.js";
import { count, dollars, duration, secondsBetween, time, value } from "../format.js";
import { problem } from "../notices.js";
import { overdueWords, pill } from "../states.js";

export class AgentPanel {
  /** `opened(name)` is called when somebody opens another agent, or none. */
  constructor(id, model, opened) {
    this.id = id;
    this.model = model;
    this.opened = opened;
    this.name = null;
    this.body = h("div", { class: "panel-body" });
    this.title = h("h2", { id: "panel-title", tabindex: "-1" });
    this.element = h(
      "aside",
      {
        class: "panel",
        "aria-labelledby": "panel-title",
        hidden: true,
        on: {
          keydown: (event) => {
            if (event.key === "Escape") this.opened(null);
          },
        },
      },
      h(
        "div",
        { class: "panel-head" },
        this.title,
        h(
          "button",
          {
            type: "button",
            class: "quiet icon-button",
            "aria-label": "Close details",
            on: { click: () => this.opened(null) },
          },
          "×",
        ),
      ),
      this.body,
    );
  }

  /** Shows an agent, or nothing. */
  show(name) {
    const other = name !== this.name;
    this.name = name;
    this.element.hidden = !name;
    if (!name || !other) return;
    put(this.title, name);
    put(this.body, h("p", { class: "muted" }, "Loading …"));
    this.load();
    this.title.focus({ preventScroll: true });
  }

  /** Reads the agent again, if one is shown. */
  async load() {
    const name = this.name;
    if (!name) return;
    this.loading?.abort();
    this.loading = new AbortController();
    try {
      const agent = await get(runPath(this.id, `/agents/${encodeURIComponent(name)}`), { signal: this.loading.signal });
      if (name === this.name) this.draw(agent);
    } catch (error) {
      if (error.name !== "AbortError" && name === this.name) put(this.body, problem(error));
    }
  }

  end() {
    this.loading?.abort();
  }

  draw(agent) {
    const { step } = agent;
    const open = new Set([...this.body.querySelectorAll("details[open]")].map((part) => part.dataset.part));
    const late = agent.status === "running" ? this.model.agents.get(agent.name ?? this.name)?.overdue : null;
    const why = late ? overdueWords(late) : (agent.reason ?? agent.blocked);
    put(
      this.body,
      h(
        "p",
        { class: "panel-state" },
        pill(agent.status, { note: late ? "overdue" : "" }),
        step.timing.critical && h("span", { class: "critical-mark" }, "critical path"),
      ),
      why && folded(why, { tag: "p", class: "panel-reason" }),
      agent.error && errorBox(agent.error),
      agent.waits_for.length > 0 &&
        section(
          "Waits for",
          h(
            "ul",
            { class: "names" },
            agent.waits_for.map((name) => h("li", {}, this.link(name))),
          ),
        ),
      section(
        "Output",
        preview(agent.output),
        agent.truncated && h("p", { class: "hint" }, "The beginning of a large value."),
      ),
      section("Inputs", this.inputs(agent.inputs)),
      section("Attempts", attemptsTable(agent.attempts)),
      usageSection(agent.usage),
      this.planPart(step, open.has("plan")),
    );
  }

  link(name) {
    if (!this.model.agents.has(name)) return h("span", {}, name);
    return h("button", { type: "button", class: "link", on: { click: () => this.opened(name) } }, name);
  }

  inputs(inputs) {
    const listed = Object.entries(inputs);
    if (!listed.length) return h("p", { class: "muted" }, "The campaign only.");
    return h(
      "dl",
      { class: "inputs" },
      listed.map(([name, { source, value: given }]) => [
        h("dt", {}, h("code", {}, name), " from ", this.link(source)),
        h("dd", {}, preview(given, 600)),
      ]),
    );
  }

  planPart(step, open) {
    const rows = [
      ["Type", step.type],
      [
        "Expected",
        step.estimate &&
          `${duration(step.estimate.seconds)}, P90 ${duration(step.estimate.p90_seconds)} (${step.estimate.source})`,
      ],
      ["Slack", step.timing && duration(step.timing.slack_seconds)],
      ["Retries", step.max_retries],
      ["Time limit", step.timeout_seconds && duration(step.timeout_seconds)],
      ["Fallback", step.fallback],
      ["Stands in for", step.replaces],
      ["In the plan because", step.reasons?.join("; ")],
    ].filter(([, said]) => said !== undefined && said !== null && said !== "");
    const edges = (step.dependencies ?? []).map((edge) =>
      h(
        "li",
        {},
        this.link(edge.agent),
        h("span", { class: "muted" }, ` ${edge.kind}${edge.via?.length ? `, for ${edge.via.join(", ")}` : ""}`),
      ),
    );
    return h(
      "details",
      { "data-part": "plan", open },
      h("summary", {}, "Plan"),
      edges.length > 0 && section("Depends on", h("ul", { class: "names" }, edges)),
      h(
        "dl",
        { class: "facts" },
        rows.map(([name, said]) => [h("dt", {}, name), h("dd", {}, said)]),
      ),
      step.configuration &&
        Object.keys(step.configuration).length > 0 &&
        section("Configuration", h("pre", {}, value(step.configuration))),
    );
  }
}

function section(title, ...children) {
  return h("section", { class: "panel-section" }, h("h3", {}, title), children);
}

function errorBox(error) {
  return h(
    "div",
    { class: "problem" },
    h("strong", {}, error.type ?? "Error"),
    error.message && folded(error.message, { tag: "p" }),
  );
}

function preview(given, most) {
  if (given === null || given === undefined) return h("p", { class: "muted" }, "None.");
  const short = typeof given === "object" && given.truncated;
  return h("pre", {}, value(short ? given.preview : given, most));
}

function attemptsTable(attempts) {
  if (!attempts.length) return h("p", { class: "muted" }, "None.");
  return h(
    "table",
    { class: "attempts" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["#", "State", "Started", "Time"].map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h(
      "tbody",
      {},
      attempts.map((row) => [
        h(
          "tr",
          {},
          h("td", {}, row.execution > 1 ? `${row.execution}.${row.attempt}` : row.attempt),
          h("td", {}, pill(row.status)),
          h("td", {}, time(row.started_at)),
          h("td", { class: "figure" }, row.started_at ? duration(secondsBetween(row.started_at, row.ended_at)) : "–"),
        ),
        (row.error || row.reason) &&
          h(
            "tr",
            { class: "attempt-note" },
            h(
              "td",
              { colspan: "4" },
              folded(row.error ? [row.error.type, row.error.message].filter(Boolean).join(": ") : row.reason),
            ),
          ),
      ]),
    ),
  );
}

/** What models were used, as a section; nothing if none was. */
export function usageSection(usage) {
  if (!usage) return null;
  const models = Object.entries(usage.models ?? {});
  return section(
    "Usage",
    h(
      "dl",
      { class: "facts" },
      h("dt", {}, "Tokens"),
      h("dd", {}, `${count(usage.total_tokens)} (${count(usage.input_tokens)} in, ${count(usage.output_tokens)} out)`),
      h("dt", {}, "Calls"),
      h("dd", {}, count(usage.calls)),
      h("dt", {}, "Cost"),
      h("dd", {}, usage.cost_usd === null ? "not known" : dollars(usage.cost_usd)),
    ),
    models.length > 0 &&
      h(
        "ul",
        { class: "names" },
        models.map(([name, used]) =>
          h("li", {}, name, h("span", { class: "muted" }, ` ${count(used.total_tokens)} tokens`)),
        ),
      ),
  );
}
