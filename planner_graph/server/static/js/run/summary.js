/** The head of a run's page: what it is, how far, and when it will end. */

import { h, put } from "../dom.js";
import { folded } from "../fold.js";
import { count, dollars, duration, plural, secondsBetween, shortId, time } from "../format.js";
import { countsBar, goesOn, hasEnded, icon, overdueWords, pill } from "../states.js";
import { productList } from "./products.js";

const NAMED = 5;
const NAMED_FAILURES = 3;
const MOST_UNLESS_COMPLETED = 0.99;

export class Summary {
  /** `opened(name)` is called when somebody opens an agent. */
  constructor(id, controls, opened) {
    this.opened = opened;
    this.name = h("h1", {});
    this.state = h("span", { class: "summary-state" });
    this.facts = h("p", { class: "summary-facts muted" });
    this.reason = h("div", { class: "summary-reason", hidden: true });
    this.failures = h("ul", { class: "failures" });
    this.overdue = h("ul", { class: "overdue", "aria-label": "Overdue" });
    this.products = h("div", {});
    this.figures = h("div", { class: "figures" });
    this.bar = h("div", { class: "summary-bar" });
    this.counts = h("div", { class: "counts" });
    this.eta = h("div", { class: "eta" });
    this.decides = h("p", { class: "muted decides" });
    this.element = h(
      "header",
      { class: "summary" },
      h(
        "div",
        { class: "summary-top" },
        h(
          "div",
          { class: "summary-name" },
          h("p", { class: "crumb" }, h("a", { href: "#/runs" }, "Runs"), " / ", h("code", {}, shortId(id))),
          this.name,
        ),
        h("div", { class: "summary-side" }, this.state, controls),
      ),
      this.facts,
      this.reason,
      this.failures,
      this.overdue,
      h(
        "div",
        { class: "summary-progress" },
        this.figures,
        h("div", { class: "summary-bars" }, this.bar, this.counts, this.eta, this.decides),
      ),
      this.products,
    );
  }

  /** Shows all of it anew. */
  draw(model) {
    const { run } = model;
    const name = run.campaign?.name || run.campaign?.key || "Run";
    if (this.name.textContent !== name) put(this.name, name);
    document.title = `${name} – planner_graph`;
    const left = run.left_behind && goesOn(model.status);
    const state = `${model.status} ${left}`;
    if (state !== this.told) {
      this.told = state;
      put(this.state, pill(model.status, { note: left ? "left behind" : "" }));
    }
    put(
      this.facts,
      [
        `${plural(model.agents.size, "agent")}, ${run.strategy}`,
        run.started_at && `started ${time(run.started_at)}`,
        model.endedAt && hasEnded(model.status) && `ended ${time(model.endedAt)}`,
        run.plan_revision > 1 && `plan revision ${run.plan_revision}`,
        cost(model.progress?.usage ?? run.usage),
      ]
        .filter(Boolean)
        .join(" · "),
    );
    const reason = left ? "No process executes it any more; resume it to go on." : run.status_reason;
    this.reason.hidden = !reason || (["running", "completed"].includes(model.status) && !left);
    if (this.toldReason !== reason) put(this.reason, reason && folded(reason));
    this.toldReason = reason;
    this.drawFailures(model);
    this.drawOverdue(model);
    this.drawProducts(model);
    this.drawProgress(model);
    this.tick(model);
  }

  /** Lists what the run is to give, or what came of it. */
  drawProducts(model) {
    const told = `${model.status} ${Boolean(model.run.result)}`;
    if (told === this.toldProducts) return;
    this.toldProducts = told;
    put(this.products, productList(model.plan, { run: model.run, opened: this.opened }));
  }

  /** Names the agents that take longer than they should, and what happens next. */
  drawOverdue(model) {
    const late = [...model.agents.values()].filter((agent) => agent.overdue && agent.status === "running");
    const told = late.map(({ name, overdue }) => `${name} ${overdue.next}`).join("\n");
    if (told === this.toldOverdue) return;
    this.toldOverdue = told;
    put(
      this.overdue,
      late.slice(0, NAMED_FAILURES).map(({ name, overdue }) =>
        h(
          "li",
          { "data-agent": name },
          icon("overdue"),
          h("button", { type: "button", class: "link", on: { click: () => this.opened(name) } }, name),
          ` is ${overdueWords(overdue)}`,
        ),
      ),
      late.length > NAMED_FAILURES && h("li", { class: "muted" }, `and ${late.length - NAMED_FAILURES} more`),
    );
  }

  /** Names the agents that failed, with the reason as far as it is known. */
  drawFailures(model) {
    const failed = [...model.agents.values()].filter((agent) => agent.status === "failed");
    const told = failed.map((agent) => `${agent.name} ${agent.reason}`).join("\n");
    if (told === this.toldFailures) return;
    this.toldFailures = told;
    put(
      this.failures,
      failed
        .slice(0, NAMED_FAILURES)
        .map((agent) =>
          h(
            "li",
            {},
            icon("failed"),
            h("button", { type: "button", class: "link", on: { click: () => this.opened(agent.name) } }, agent.name),
            agent.reason && [" ", folded(agent.reason)],
          ),
        ),
      failed.length > NAMED_FAILURES && h("li", { class: "muted" }, `and ${failed.length - NAMED_FAILURES} more`),
    );
  }

  drawProgress(model) {
    const counts = model.counts();
    const words = [
      ["completed", "completed"],
      ["running", "running"],
      ["failed", "failed"],
      ["skipped", "skipped"],
      ["cancelled", "cancelled"],
      ["interrupted", "interrupted"],
      ["waiting", hasEnded(model.status) ? "not run" : "waiting"],
    ].filter(([key]) => counts[key] || key === "completed");
    put(this.bar, countsBar(counts, model.agents.size));
    put(
      this.counts,
      words.map(([key, word]) =>
        h("span", { class: "count", "data-status": key }, h("b", {}, count(counts[key])), " ", word),
      ),
    );
    const path = model.progress?.remaining_critical_path ?? [];
    this.decides.hidden = !path.length || hasEnded(model.status);
    put(
      this.decides,
      "The end is decided by ",
      path.slice(0, NAMED).join(" → "),
      path.length > NAMED ? ` → … (${path.length - NAMED} more)` : "",
    );
  }

  /** Lets time go by. */
  tick(model) {
    const share = shareOf(model);
    const took = hasEnded(model.status)
      ? secondsBetween(model.startedAt, model.endedAt)
      : goesOn(model.status)
        ? secondsBetween(model.startedAt)
        : null;
    put(
      this.figures,
      h(
        "div",
        { class: "big" },
        h("b", { id: "progress-figure" }, share === undefined ? "–" : `${Math.floor(share * 100)} %`),
        h("span", { class: "muted" }, "of the work"),
      ),
      took !== null &&
        h(
          "div",
          { class: "big" },
          h("b", { id: "time-figure" }, duration(took)),
          h("span", { class: "muted" }, hasEnded(model.status) ? "in all" : "so far"),
        ),
    );
    put(this.eta, etaLine(model));
  }
}

/** The share of the work that is over; all of it only in a run that has completed. */
function shareOf(model) {
  if (model.status === "completed") return 1;
  const share = model.progress?.weighted_progress;
  return share === undefined ? share : Math.min(share, MOST_UNLESS_COMPLETED);
}

function cost(usage) {
  if (!usage) return null;
  return `${count(usage.total_tokens)} tokens${usage.cost_usd === null ? "" : `, ${dollars(usage.cost_usd)}`}`;
}

/** When the run should end: the median, and the time by which nine in ten would have. */
function etaLine(model) {
  const eta = model.progress?.eta;
  if (!eta || hasEnded(model.status) || model.status === "cancelling") return null;
  if (!eta.p50) {
    return h(
      "p",
      { class: "eta-words" },
      "Once it goes on: ",
      h("b", {}, duration(eta.p50_seconds)),
      ", nine times in ten at most ",
      h("b", {}, duration(eta.p90_seconds)),
    );
  }
  const left = (iso) => duration(Math.max(0, -secondsBetween(iso)));
  const spent = secondsBetween(model.startedAt) ?? 0;
  const whole = Math.max((Date.parse(eta.p90) - Date.parse(model.startedAt)) / 1000, spent, 0.001);
  const track = h("div", { class: "eta-track", role: "img", "aria-label": "time passed, median and P90 of the end" });
  for (const [name, seconds] of [
    ["p90", whole],
    ["p50", (Date.parse(eta.p50) - Date.parse(model.startedAt)) / 1000],
    ["spent", spent],
  ]) {
    const part = h("span", { class: name });
    part.style.setProperty("width", `${Math.min(100, (seconds / whole) * 100)}%`);
    track.append(part);
  }
  return [
    track,
    h(
      "p",
      { class: "eta-words", id: "eta" },
      "Ends about ",
      h("b", {}, time(eta.p50)),
      ` (in ${left(eta.p50)}), nine times in ten by `,
      h("b", {}, time(eta.p90)),
      ` (in ${left(eta.p90)})`,
    ),
  ];
}
