/** The picture of a plan: agents as boxes in the colours and with the icons of their states, edges between them. */

import { curveMonotoneX, line, linkHorizontal, select, zoom, zoomIdentity } from "../d3.js";
import { h, s } from "../dom.js";
import { icon, word } from "../states.js";
import { AgentBox, newPen } from "./box.js";
import { HEIGHT, WIDTH, edgesOf, layOut, placesByLevel } from "./placing.js";

const FAR = 0.4; // below this scale names cannot be read: boxes take the colour of their state
const READABLE = 0.65; // what a phone shows of a small graph is at least so large
const NARROW = 640;
const SMOOTH_MS = 200;

const MARGIN = 64; // above and below the graph, for its tools and its legend
const LEAST_HEIGHT = 240;

const bent = line().curve(curveMonotoneX);
const straight = linkHorizontal();

export class GraphView {
  /**
   * `opened(name)` is called when somebody opens an agent. Without a model the picture shows a plan, and no states.
   */
  constructor(plan, { model = null, opened = () => {} } = {}) {
    this.plan = plan;
    this.model = model;
    this.opened = opened;
    this.edges = edgesOf(plan);
    this.critical = new Set(plan.critical_path);
    this.index = new Map(plan.steps.map((step, at) => [step.agent, at]));
    this.focusAt = 0;
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.build();
    this.place({ places: placesByLevel(plan), bends: null });
    this.giveUp = layOut(plan, this.edges, (found) => {
      this.place(found);
      this.fit();
    });
  }

  end() {
    this.giveUp();
    this.resized?.disconnect();
  }

  build() {
    this.canvas = s("g", { class: "canvas" });
    this.svg = s(
      "svg",
      {
        class: "graph",
        "data-model": this.model ? "run" : "plan",
        role: "group",
        "aria-label": `Graph of ${this.plan.steps.length} agents. Arrow keys move between them, Enter opens one.`,
      },
      this.canvas,
    );
    this.paths = this.edges.map(({ from, to, kind }) =>
      s("path", { class: ["edge", kind, this.isCritical(from, to) && "critical"] }),
    );
    const paper = { critical: this.critical, pen: newPen(), model: this.model };
    this.nodes = this.plan.steps.map(
      (step, at) =>
        new AgentBox(step, paper, {
          focus: () => this.setFocus(at, false),
          click: () => {
            this.setFocus(at, false);
            this.opened(step.agent);
          },
        }),
    );
    this.nodes[0]?.group.setAttribute("tabindex", "0");
    this.canvas.append(...this.paths, ...this.nodes.map((node) => node.group));
    this.zoom = zoom()
      .scaleExtent([0.03, 2.5])
      .on("zoom", ({ transform }) => {
        this.canvas.setAttribute("transform", transform);
        this.svg.classList.toggle("far", transform.k < FAR);
      });
    select(this.svg).call(this.zoom).on("dblclick.zoom", null);
    this.svg.addEventListener("keydown", (event) => this.key(event));
    const button = (label, text, act) =>
      h("button", { type: "button", title: label, "aria-label": label, on: { click: act } }, text);
    this.element = h(
      "div",
      { class: "graph-box" },
      this.svg,
      h(
        "div",
        { class: "graph-tools", role: "group", "aria-label": "Zoom" },
        button("Zoom in", "+", () => this.scale(1.4)),
        button("Zoom out", "−", () => this.scale(1 / 1.4)),
        button("Fit", "Fit", () => this.fit()),
      ),
      this.legend(),
    );
    this.resized = new ResizeObserver(() => {
      if (!this.touched) this.fit();
    });
    this.resized.observe(this.svg);
    for (const kind of ["wheel", "pointerdown"]) {
      this.svg.addEventListener(
        kind,
        () => {
          this.touched = true;
        },
        { passive: true },
      );
    }
  }

  legend() {
    const sample = (kind) =>
      s(
        "svg",
        { class: "sample", viewBox: "0 0 26 8", "aria-hidden": "true" },
        s("path", { class: ["edge", ...kind], d: "M1 4h24" }),
      );
    const kinds = new Set(this.edges.map((edge) => edge.kind));
    return h(
      "div",
      { class: "legend" },
      h("span", {}, sample(["hard", "critical"]), "critical path"),
      ["hard", "soft", "optional"].filter((kind) => kinds.has(kind)).map((kind) => h("span", {}, sample([kind]), kind)),
    );
  }

  isCritical(from, to) {
    const path = this.plan.critical_path;
    const at = path.indexOf(this.plan.steps[from].agent);
    return at >= 0 && path[at + 1] === this.plan.steps[to].agent;
  }

  /** Draws the agents named, or all that change by themselves as time goes by. */
  update(names = null) {
    for (const node of this.nodes) {
      const running = this.model?.agents.get(node.step.agent)?.status === "running";
      if (names ? names.has(node.step.agent) : running) node.draw();
    }
  }

  /** Draws all agents. */
  updateAll() {
    for (const node of this.nodes) node.draw();
  }

  /** Marks the agent whose details are open. */
  mark(name) {
    for (const node of this.nodes) node.group.classList.toggle("marked", node.step.agent === name);
    if (this.index.has(name)) this.setFocus(this.index.get(name), false);
  }

  place({ places, bends }) {
    this.places = places;
    this.nodes.forEach((node, at) =>
      node.group.setAttribute(
        "transform",
        `translate(${Math.round(places[at][0] - WIDTH / 2)} ${Math.round(places[at][1] - HEIGHT / 2)})`,
      ),
    );
    this.paths.forEach((path, at) => {
      const { from, to } = this.edges[at];
      const source = [places[from][0] + WIDTH / 2, places[from][1]];
      const target = [places[to][0] - WIDTH / 2, places[to][1]];
      const inner = bends?.[at].slice(1, -1) ?? [];
      path.setAttribute("d", inner.length > 1 ? bent([source, ...inner, target]) : straight({ source, target }));
    });
    const xs = places.map(([x]) => x);
    const ys = places.map(([, y]) => y);
    this.size = [Math.max(...xs) + WIDTH / 2 + 12, Math.max(...ys) + HEIGHT / 2 + 12];
  }

  /** Shows the whole graph; one that would be too small to read on a narrow screen, from where it is at work. */
  fit() {
    const { width } = this.svg.getBoundingClientRect();
    if (!width) return;
    this.touched = false;
    this.grow(width);
    const { height } = this.svg.getBoundingClientRect();
    const whole = Math.min(width / this.size[0], height / this.size[1], 1.15);
    if (whole < (width < NARROW ? READABLE : FAR) && this.nodes.length <= 40) {
      const at = Math.max(
        0,
        this.nodes.findIndex((node) => ["running", "retrying", "interrupted"].includes(node.status)),
      );
      this.show(0.75, this.places[at][0] - WIDTH / 2 - 12 - (at ? 40 : 0), this.places[at][1] - height / 1.5);
      return;
    }
    this.show(whole, -(width / whole - this.size[0]) / 2, -(height / whole - this.size[1]) / 2);
  }

  /** Makes the picture as high as it needs to be, and no higher than most of the window. */
  grow(width) {
    const most = Math.max(LEAST_HEIGHT, innerHeight * (this.model ? 0.6 : 0.45));
    const needed = this.size[1] * Math.min(width / this.size[0], 1.15) + MARGIN * 2;
    this.svg.style.setProperty("height", `${Math.round(Math.min(most, Math.max(LEAST_HEIGHT, needed)))}px`);
  }

  show(k, x, y) {
    select(this.svg).call(this.zoom.transform, zoomIdentity.scale(k).translate(-x, -y));
  }

  scale(by) {
    this.touched = true;
    const chosen = select(this.svg);
    this.zoom.scaleBy(this.still ? chosen : chosen.transition().duration(SMOOTH_MS), by);
  }

  key(event) {
    const [step, at] = [this.plan.steps[this.focusAt], this.focusAt];
    switch (event.key) {
      case "Enter":
      case " ":
        this.opened(step.agent);
        break;
      case "ArrowLeft":
        this.setFocus(
          this.nearest(
            at,
            this.edges.filter((e) => e.to === at).map((e) => e.from),
          ),
          true,
        );
        break;
      case "ArrowRight":
        this.setFocus(
          this.nearest(
            at,
            this.edges.filter((e) => e.from === at).map((e) => e.to),
          ),
          true,
        );
        break;
      case "ArrowUp":
        this.setFocus(this.beside(at, -1), true);
        break;
      case "ArrowDown":
        this.setFocus(this.beside(at, 1), true);
        break;
      case "+":
        this.scale(1.4);
        break;
      case "-":
        this.scale(1 / 1.4);
        break;
      case "0":
        this.fit();
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  nearest(at, others) {
    const far = (other) => Math.abs(this.places[other][1] - this.places[at][1]);
    return others.length ? others.reduce((best, other) => (far(other) < far(best) ? other : best)) : at;
  }

  /** The next agent above or below: of the same level, else the nearest in that direction. */
  beside(at, direction) {
    const [x, y] = this.places[at];
    let [best, least] = [at, Infinity];
    this.places.forEach(([ox, oy], other) => {
      const away = (oy - y) * direction;
      const cost = away + Math.abs(ox - x) * 2;
      if (away > 1 && cost < least) [best, least] = [other, cost];
    });
    return best;
  }

  setFocus(at, move) {
    this.nodes[this.focusAt].group.setAttribute("tabindex", "-1");
    this.focusAt = at;
    const { group } = this.nodes[at];
    group.setAttribute("tabindex", "0");
    if (!move) return;
    group.focus({ preventScroll: true });
    this.reveal(at);
  }

  /** Moves the picture so that an agent can be seen. */
  reveal(at) {
    const box = this.svg.getBoundingClientRect();
    const node = this.nodes[at].group.getBoundingClientRect();
    const inside = node.left >= box.left && node.right <= box.right && node.top >= box.top && node.bottom <= box.bottom;
    if (inside) return;
    this.touched = true;
    this.zoom.translateTo(select(this.svg), ...this.places[at]);
  }
}

/** The icons of all states with their words. */
export function statesLegend(statuses) {
  return h(
    "div",
    { class: "legend states" },
    statuses.map((status) => h("span", { "data-status": status }, icon(status), word(status))),
  );
}
