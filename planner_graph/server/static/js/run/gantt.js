/** A row for each agent: when it should run by the plan, and when it did, attempt by attempt. */

import { axisTop, scaleLinear, select } from "../d3.js";
import { h, put, s } from "../dom.js";
import { duration, secondsBetween } from "../format.js";
import { goesOn, hasEnded, icon, word } from "../states.js";

const ROW = 26;
const LEAST_WIDTH = 260;
const AXIS = 30;
const PIXELS_A_TICK = 90;
const RIGHT = 16;

export class GanttView {
  /** `planned` is the schedule's list of planned times; `opened(name)` is called when somebody opens an agent. */
  constructor(model, planned, opened) {
    this.model = model;
    this.planned = new Map(planned.map((row) => [row.agent, row]));
    this.names = [...model.agents.keys()];
    this.labels = this.names.map((name) =>
      h(
        "button",
        { type: "button", class: "gantt-label", title: name, "data-agent": name, on: { click: () => opened(name) } },
        h("span", { class: "gantt-icon" }),
        h("span", { class: "gantt-name" }, name),
      ),
    );
    this.axis = s("svg", { class: "gantt-axis", height: AXIS, "aria-hidden": "true" });
    this.grid = s("g", { class: "gantt-grid" });
    this.bars = s("g");
    this.now = s("line", { class: "gantt-now", y1: 0, y2: ROW * this.names.length });
    this.chart = s(
      "svg",
      {
        class: "gantt-chart",
        height: ROW * this.names.length,
        role: "img",
        "aria-label": "Planned and actual times of all agents; the list of agents tells the same in words.",
      },
      this.grid,
      this.bars,
      this.now,
    );
    this.rows = this.names.map((name, at) => this.row(name, at));
    this.place = h("div", { class: "gantt-place" }, this.axis, this.chart);
    this.element = h(
      "div",
      { class: "gantt" },
      h(
        "div",
        { class: "gantt-key" },
        h("span", {}, h("i", { class: "key planned" }), "planned"),
        h("span", {}, h("i", { class: "key critical" }), "planned, critical path"),
        h("span", {}, h("i", { class: "key actual" }), "actual"),
        h("span", { class: "muted", id: "gantt-sum" }),
      ),
      h(
        "div",
        { class: "gantt-body" },
        h("div", { class: "gantt-labels" }, h("div", { class: "gantt-corner" }), this.labels),
        this.place,
      ),
    );
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.place);
  }

  end() {
    this.resized.disconnect();
  }

  row(name, at) {
    const plan = this.planned.get(name);
    const planned = s("rect", {
      class: ["planned", plan?.critical && "critical"],
      y: at * ROW + 4,
      height: ROW - 8,
      rx: 3,
    });
    const actual = s("g");
    this.bars.append(s("g", { "data-agent": name }, planned, actual));
    return { name, at, plan, planned, actual, bars: [], status: null };
  }

  /** Seconds since the run's start; 0 for what came before it. */
  offset(iso) {
    return this.model.startedAt ? Math.max(0, secondsBetween(this.model.startedAt, iso)) : 0;
  }

  nowSeconds() {
    if (!this.model.startedAt) return 0;
    return hasEnded(this.model.status) ? this.offset(this.model.endedAt) : secondsBetween(this.model.startedAt);
  }

  /** Draws everything; `names` only those agents, unless the scale has to change. */
  draw(names = null) {
    const width = Math.max(this.place.clientWidth, LEAST_WIDTH);
    const longest = Math.max(this.plannedEnd(), this.nowSeconds(), 0.001);
    const fits =
      this.scale && width === this.width && longest <= this.scale.domain()[1] && longest > this.scale.domain()[1] / 2;
    if (!fits) {
      this.width = width;
      const running = goesOn(this.model.status) && longest > this.plannedEnd();
      this.scale = scaleLinear([0, longest * (running ? 1.25 : 1)], [1, width - RIGHT]);
      this.drawAxis(width);
      names = null;
    }
    for (const row of this.rows) if (!names || names.has(row.name)) this.drawRow(row);
    this.tick();
    const sum = `planned ${duration(this.plannedEnd())}, ${hasEnded(this.model.status) ? "took" : "so far"} ${duration(this.nowSeconds())}`;
    put(this.element.querySelector("#gantt-sum"), sum);
  }

  plannedEnd() {
    this.latest ??= Math.max(0, ...[...this.planned.values()].map((row) => row.end_seconds));
    return this.latest;
  }

  drawAxis(width) {
    for (const svg of [this.axis, this.chart]) svg.setAttribute("width", width);
    const ticks = Math.max(2, Math.floor(width / PIXELS_A_TICK));
    const axis = axisTop(this.scale)
      .ticks(ticks)
      .tickFormat((seconds) => (seconds ? duration(seconds) : "0"))
      .tickSizeOuter(0);
    this.axis.replaceChildren();
    select(this.axis)
      .append("g")
      .attr("transform", `translate(0 ${AXIS - 1})`)
      .call(axis);
    put(
      this.grid,
      this.scale
        .ticks(ticks)
        .map((at) => s("line", { x1: this.scale(at), x2: this.scale(at), y1: 0, y2: ROW * this.names.length })),
    );
  }

  drawRow(row) {
    const agent = this.model.agents.get(row.name);
    if (row.plan) {
      row.planned.setAttribute("x", this.scale(row.plan.start_seconds));
      row.planned.setAttribute("width", this.widthOf(row.plan.start_seconds, row.plan.end_seconds));
    }
    if (row.status !== agent.status) {
      row.status = agent.status;
      const label = this.labels[row.at];
      label.dataset.status = agent.status;
      label.setAttribute("aria-label", `${row.name}: ${word(agent.status)}`);
      put(label.firstChild, icon(agent.status));
    }
    const shown = agent.attempts.filter((attempt) => attempt.started_at);
    while (row.bars.length < shown.length) row.bars.push(row.actual.appendChild(s("rect", { rx: 3 }, s("title"))));
    while (row.bars.length > shown.length) row.bars.pop().remove();
    shown.forEach((attempt, index) => this.drawBar(row, row.bars[index], attempt));
  }

  drawBar(row, bar, attempt) {
    const start = this.offset(attempt.started_at);
    const end = attempt.ended_at ? this.offset(attempt.ended_at) : Math.max(start, this.nowSeconds());
    bar.setAttribute("class", "actual");
    bar.setAttribute("data-status", attempt.status);
    bar.setAttribute("x", this.scale(start));
    bar.setAttribute("y", row.at * ROW + 8);
    bar.setAttribute("height", ROW - 16);
    bar.setAttribute("width", this.widthOf(start, end));
    const title = `${row.name}, try ${attempt.attempt}: ${word(attempt.status)}, ${duration(end - start)}`;
    if (bar.dataset.title !== title) {
      bar.dataset.title = title;
      put(bar.firstChild, title);
    }
  }

  widthOf(start, end) {
    return Math.max(2, this.scale(end) - this.scale(start));
  }

  /** Lets time go by. */
  tick() {
    if (!this.scale) return;
    const now = this.nowSeconds();
    const x = this.scale(Math.min(now, this.scale.domain()[1]));
    this.now.setAttribute("x1", x);
    this.now.setAttribute("x2", x);
    this.now.toggleAttribute("hidden", !goesOn(this.model.status));
  }

  /** Draws what changes by itself: the bars of those that run. */
  update(names = null) {
    if (!this.element.isConnected || !this.place.clientWidth) return;
    this.draw(names ?? new Set(this.names.filter((name) => this.model.agents.get(name).status === "running")));
  }

  updateAll() {
    if (this.element.isConnected && this.place.clientWidth) this.draw();
  }

  mark(name) {
    for (const label of this.labels) label.classList.toggle("marked", label.dataset.agent === name);
  }
}
