/** How agents did in past runs: how often they succeed, how long they take, what they use. */

import { get } from "../api.js";
import { h, put, s } from "../dom.js";
import { ago, count, dollars, duration, percentage, shortId, time } from "../format.js";
import { folded } from "../fold.js";
import { empty, into } from "../notices.js";
import { pill } from "../states.js";

const COLUMNS = [
  ["agent", "Agent", (agent) => agent.agent],
  ["runs", "Runs", (agent) => agent.runs],
  ["success", "Success", (agent) => agent.success_rate],
  ["attempts", "Tries a run", (agent) => agent.attempts?.mean],
  ["median", "Median", (agent) => agent.duration_seconds?.median],
  ["p90", "P90", (agent) => agent.duration_seconds?.p90],
  ["wait", "Wait", (agent) => agent.queue_seconds?.median],
  ["tokens", "Tokens a run", (agent) => agent.usage?.mean_tokens],
  ["cost", "Cost a run", (agent) => agent.usage?.mean_cost_usd],
  ["last", "Last run", (agent) => agent.last_run_at],
];
const RANGES = [20, 100, 500];
const WORK_DIGITS = 8;

/** Shows the page. */
export function show(main, query) {
  const page = new HistoryPage(main);
  page.follow(query);
  return page;
}

class HistoryPage {
  constructor(main) {
    this.stop = new AbortController();
    this.sort = { key: "median", down: true };
    this.last = 100;
    this.place = h("div", {});
    this.detail = h("div", { class: "history-detail" });
    this.range = h(
      "select",
      {
        id: "history-last",
        on: {
          change: () => {
            this.last = Number(this.range.value);
            this.load();
          },
        },
      },
      RANGES.map((number) => h("option", { value: number }, `last ${number} runs`)),
    );
    this.range.value = "100";
    main.append(
      h(
        "div",
        { class: "page" },
        h(
          "div",
          { class: "page-head" },
          h("h1", {}, "History"),
          h("label", { class: "visually-hidden", for: "history-last" }, "Runs looked at"),
          this.range,
        ),
        this.place,
        this.detail,
      ),
    );
    this.load();
  }

  end() {
    this.stop.abort();
  }

  follow(query) {
    this.agent = query.get("agent");
    this.loadDetail();
  }

  load() {
    into(this.place, get(`history?last=${this.last}`, { signal: this.stop.signal }), (found) => {
      this.agents = found.agents;
      return this.table();
    });
    this.loadDetail();
  }

  loadDetail() {
    put(this.detail);
    if (!this.agent) return;
    const query = new URLSearchParams({ agent: this.agent, last: this.last });
    into(this.detail, get(`history?${query}`, { signal: this.stop.signal }), (found) =>
      detail({ ...found.agents[0], latest_runs: found.latest_runs }),
    );
  }

  table() {
    if (!this.agents.length) {
      return empty(
        "No agent has run yet.",
        h(
          "p",
          { class: "muted" },
          "Durations and success appear here after the first run; plans take their estimates from them.",
        ),
      );
    }
    const longest = Math.max(...this.agents.map((agent) => agent.duration_seconds?.p90 ?? 0), 0.001);
    const used = this.agents.some((agent) => agent.usage);
    const columns = COLUMNS.filter(([key]) => used || !["tokens", "cost"].includes(key));
    const head = columns.map(([key, name]) =>
      h(
        "th",
        {
          scope: "col",
          class: key !== "agent" && "number",
          "aria-sort": this.sort.key === key ? (this.sort.down ? "descending" : "ascending") : null,
        },
        h("button", { type: "button", class: "sort", on: { click: () => this.sortBy(key) } }, name),
      ),
    );
    return h(
      "table",
      { class: "history" },
      h("thead", {}, h("tr", {}, head, h("th", { scope: "col", class: "spread-head" }, "Median to P90"))),
      h(
        "tbody",
        {},
        this.sorted().map((agent) =>
          h(
            "tr",
            {},
            columns.map((column) => cell(column, agent, this.several(agent))),
            h("td", { class: "spread-cell" }, spread(agent.duration_seconds, longest)),
          ),
        ),
      ),
    );
  }

  /** Whether the name of an agent stands in several rows: other code ran under it, or gave other outputs. */
  several({ agent: name }) {
    return this.agents.filter((agent) => agent.agent === name).length > 1;
  }

  sorted() {
    const [, , of] = COLUMNS.find(([key]) => key === this.sort.key);
    const direction = this.sort.down ? -1 : 1;
    const rank = (a, b) =>
      a === b
        ? 0
        : a === undefined || a === null
          ? 1
          : b === undefined || b === null
            ? -1
            : (a < b ? -1 : 1) * direction;
    return [...this.agents].sort((a, b) => rank(of(a), of(b)));
  }

  sortBy(key) {
    this.sort = { key, down: this.sort.key === key ? !this.sort.down : key !== "agent" };
    put(this.place, this.table());
    this.place.querySelector("[aria-sort] button")?.focus();
  }
}

function cell([key, name], agent, several) {
  const [, , of] = COLUMNS.find(([other]) => other === key);
  const given = of(agent);
  if (key === "agent") {
    return h(
      "th",
      { scope: "row" },
      h("a", { href: `#/history?agent=${encodeURIComponent(given)}` }, given),
      several && h("span", { class: "muted" }, ` (code ${agent.work?.slice(0, WORK_DIGITS) ?? "not known"})`),
    );
  }
  const written =
    {
      runs: () => `${count(given)}${agent.skipped ? ` (+${count(agent.skipped)} skipped)` : ""}`,
      success: () => percentage(given),
      attempts: () => given?.toFixed(2) ?? "–",
      tokens: () => count(given),
      cost: () => dollars(given),
      last: () => ago(given),
    }[key] ?? (() => duration(given));
  const low = key === "success" && given !== null && given !== undefined && given < 0.9;
  return h("td", { class: ["number", low && "low"], "data-label": name }, written());
}

/** The median as a bar, and the way to P90 as a lighter one. */
function spread(given, longest) {
  if (!given) return null;
  const of = (seconds) => (seconds / longest) * 100;
  return s(
    "svg",
    { class: "spread", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "tail", x: 0, y: 2.5, width: of(given.p90), height: 3 }),
    s("rect", { class: "median", x: 0, y: 1, width: of(given.median), height: 6 }),
  );
}

function detail(agent) {
  const runs = agent.latest_runs ?? [];
  const error = agent.latest_error;
  return h(
    "section",
    { "aria-labelledby": "detail-title" },
    h("h2", { id: "detail-title" }, agent.agent),
    h(
      "p",
      { class: "muted" },
      `${count(agent.runs)} runs, ${count(agent.succeeded)} successful, median ${duration(agent.duration_seconds?.median)}, P90 ${duration(agent.duration_seconds?.p90)}`,
    ),
    error &&
      h(
        "div",
        { class: "problem" },
        h("strong", {}, "Latest error"),
        folded([error.type, error.message].filter(Boolean).join(": "), { tag: "p" }),
      ),
    runs.length > 0 &&
      h(
        "table",
        { class: "latest" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Run", "State", "Started", "Time", "Tries", "Error"].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h(
          "tbody",
          {},
          runs.map((run) =>
            h(
              "tr",
              {},
              h(
                "th",
                { scope: "row" },
                h(
                  "a",
                  {
                    href: `#/runs/${encodeURIComponent(run.workflow_execution_id)}?agent=${encodeURIComponent(agent.agent)}`,
                  },
                  h("code", {}, shortId(run.workflow_execution_id)),
                ),
              ),
              h("td", { "data-label": "State" }, pill(run.status)),
              h("td", { "data-label": "Started" }, time(run.started_at)),
              h("td", { "data-label": "Time" }, duration(run.duration_seconds)),
              h("td", { "data-label": "Tries" }, run.attempts),
              h(
                "td",
                { "data-label": "Error" },
                run.error ? folded([run.error.type, run.error.message].filter(Boolean).join(": ")) : "–",
              ),
            ),
          ),
        ),
      ),
  );
}
