/** Plans a campaign without storing anything: picture, explanation and makespan; and starts it as a run. */

import { get, post } from "../api.js";
import { confirm } from "../confirm.js";
import { announce, h, put } from "../dom.js";
import { duration, plural } from "../format.js";
import { findingsList, problem, toast } from "../notices.js";
import { CampaignForm } from "../plan/form.js";
import { GraphView } from "../run/graph.js";
import { productList } from "../run/products.js";
import { may } from "../session.js";

const KEPT = "planner-graph.campaign";

/** Shows the page. */
export function show(main) {
  return new PlanPage(main);
}

class PlanPage {
  constructor(main) {
    this.stop = new AbortController();
    this.form = new CampaignForm(kept(), () => this.edited());
    this.preview = h("button", { type: "submit", class: "primary" }, "Preview plan");
    this.start = h("button", { type: "button", id: "start-run", on: { click: () => this.run() } }, "Start run");
    this.start.hidden = !may("operator");
    this.result = h("div", { class: "plan-result", "aria-live": "off" }, hint());
    const form = h(
      "form",
      {
        class: "plan-form",
        on: {
          submit: (event) => {
            event.preventDefault();
            this.plan();
          },
          keydown: (event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.plan();
          },
        },
      },
      this.form.element,
      h("div", { class: "form-buttons" }, this.preview, this.start),
    );
    main.append(
      h(
        "div",
        { class: "page" },
        h("div", { class: "page-head" }, h("h1", {}, "Plan a campaign")),
        h("div", { class: "plan-columns" }, form, this.result),
      ),
    );
    get("catalog", { signal: this.stop.signal }).then(
      (catalog) => this.form.know(catalog),
      () => {},
    );
  }

  end() {
    this.stop.abort();
    this.graph?.end();
  }

  edited() {
    this.key = null;
    this.result.classList.add("stale");
  }

  /** The request of the form, or null if it is not JSON. */
  request() {
    try {
      const campaign = this.form.read();
      sessionStorage.setItem(KEPT, JSON.stringify(campaign));
      return { campaign };
    } catch (error) {
      this.show(problem(error));
      return null;
    }
  }

  async plan() {
    const request = this.request();
    if (!request) return;
    this.preview.disabled = true;
    try {
      const planned = await post("plans", request, { signal: this.stop.signal });
      this.draw(planned, request.campaign);
      announce(`The plan has ${plural(planned.plan.steps.length, "agent")}.`);
    } catch (error) {
      if (error.name !== "AbortError") this.show(problem(error));
    } finally {
      this.preview.disabled = false;
    }
  }

  async run() {
    const request = this.request();
    if (!request) return;
    const sure = await confirm({
      title: "Start a run?",
      about: h("b", {}, request.campaign.name || request.campaign.id || request.campaign.type || "Unnamed campaign"),
      signal: this.stop.signal,
      says: "The campaign is stored, planned and executed by this server.",
      action: "Start run",
      reasonLabel: null,
    });
    if (!sure) return;
    this.start.disabled = true;
    this.key ??= newKey();
    try {
      const started = await post("workflows", request, { headers: { "Idempotency-Key": this.key } });
      this.key = null;
      toast("The run has been accepted.");
      if (this.stop.signal.aborted) return; // the reader has gone to another page meanwhile
      location.hash = `#/runs/${encodeURIComponent(started.workflow_execution_id)}`;
    } catch (error) {
      this.show(problem(error));
    } finally {
      this.start.disabled = false;
    }
  }

  show(...parts) {
    this.graph?.end();
    this.graph = null;
    this.result.classList.remove("stale");
    put(this.result, parts);
    if (this.result.getBoundingClientRect().top > innerHeight * 0.6) this.result.scrollIntoView(); // below, on a phone
  }

  draw(planned, campaign) {
    const { plan } = planned;
    const chosen = plan.strategy;
    const graph = new GraphView(plan);
    this.show(
      h(
        "p",
        { class: "plan-facts" },
        h("b", {}, plural(plan.steps.length, "agent")),
        `, ${chosen}: `,
        h("b", {}, duration(plan.duration.predicted)),
        h(
          "span",
          { class: "muted" },
          ` of time for ${duration(plan.duration.work)} of work; no strategy beats ${duration(plan.duration.critical_path)}`,
        ),
      ),
      planned.findings?.length > 0 &&
        h("div", { class: "problem mild" }, h("strong", {}, "Findings"), findingsList(planned.findings)),
      predictions(planned.predictions ?? [], chosen, (strategy) => this.choose(strategy, campaign)),
      productList(plan),
      graph.element,
      h(
        "details",
        { open: true, class: "explanation" },
        h("summary", {}, "Why this plan"),
        h("pre", {}, planned.explanation),
      ),
      h("details", { class: "explanation" }, h("summary", {}, "Mermaid"), h("pre", {}, planned.mermaid)),
      h("p", { class: "hint" }, "Plan hash ", h("code", {}, planned.plan_hash)),
    );
    this.graph = graph;
    requestAnimationFrame(() => graph.fit());
  }

  choose(strategy, campaign) {
    this.form.write({ ...campaign, strategy });
    this.edited();
    this.plan();
  }
}

/** The predicted makespan of each strategy as bars; choosing one plans with it. */
function predictions(rows, chosen, choose) {
  if (!rows.length) return null;
  const longest = Math.max(...rows.map((row) => row.p90_seconds ?? row.makespan_seconds), 0.001);
  return h(
    "div",
    { class: "predictions", role: "group", "aria-label": "Predicted makespan by strategy" },
    rows.map((row) => {
      const [bar, tail] = [h("span", { class: "prediction-bar" }), h("span", { class: "prediction-tail" })];
      bar.style.setProperty("width", `${(row.makespan_seconds / longest) * 100}%`);
      tail.style.setProperty("width", `${((row.p90_seconds ?? row.makespan_seconds) / longest) * 100}%`);
      return h(
        "button",
        {
          type: "button",
          class: "prediction",
          "aria-pressed": String(row.strategy === chosen),
          on: { click: () => choose(row.strategy) },
        },
        h("span", { class: "prediction-name" }, row.strategy),
        h("span", { class: "prediction-track" }, tail, bar),
        h(
          "span",
          { class: "figure" },
          duration(row.makespan_seconds),
          row.p90_seconds && h("span", { class: "muted" }, ` P90 ${duration(row.p90_seconds)}`),
        ),
      );
    }),
  );
}

function hint() {
  return h(
    "div",
    { class: "empty" },
    h("p", { class: "empty-title" }, "The plan appears here."),
    h(
      "p",
      { class: "muted" },
      "Which agents are needed, in which order, how long it should take, and why. Nothing is stored until you start the run.",
    ),
  );
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
