/** One agent in the picture: a box with the icon of its state, its name, and how long it takes. */

import { put, s, visible } from "../dom.js";
import { duration, secondsBetween } from "../format.js";
import { strokes, word } from "../states.js";
import { HEIGHT, WIDTH } from "./placing.js";

const CAP = 32;
const ROOM = WIDTH - CAP - 14;
const NAME_FONT = '600 15px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const NOTE_FONT = NAME_FONT.replace("600 15px", "12.5px");

/** What measures names, and the notes below them. */
export function newPen() {
  return { name: measuring(NAME_FONT), note: measuring(NOTE_FONT) };
}

function measuring(font) {
  const context = Object.assign(document.createElement("canvas").getContext("2d"), { font });
  return (text) => context.measureText(text).width;
}

export class AgentBox {
  /** `paper` has what all boxes share: the `model`, if a run is shown, the `critical` agents, and the `pen`. */
  constructor(step, { model, critical, pen }, handlers) {
    this.step = step;
    this.model = model;
    this.critical = critical.has(step.agent);
    this.pen = pen;
    this.state = s("g", { class: "state", transform: "translate(8 17)" });
    this.note = s("text", { class: "note", x: CAP + 8, y: 39 });
    this.title = s("title");
    this.group = s(
      "g",
      {
        class: ["node", this.critical && "critical"],
        tabindex: "-1",
        role: "button",
        "data-agent": step.agent,
        on: handlers,
      },
      this.title,
      s("rect", { class: "box", width: WIDTH, height: HEIGHT, rx: 7 }),
      s("path", { class: "cap", d: `M7 0H${CAP}V${HEIGHT}H7a7 7 0 0 1-7-7V7a7 7 0 0 1 7-7` }),
      this.state,
      s("text", { class: "name", x: CAP + 8, y: 22 }, shortened(visible(step.agent), pen.name)),
      this.note,
    );
    this.draw();
  }

  /** Draws the agent as it is now, and touches only what changed. */
  draw() {
    const agent = this.model?.agents.get(this.step.agent);
    const status = agent?.status ?? "planned";
    if (status !== this.status) {
      this.status = status;
      this.group.setAttribute("data-status", status);
      const shapes = agent
        ? strokes(status).map((d) => s("path", { d }))
        : s("text", { class: "order", x: 8, y: 13 }, this.step.order);
      put(this.state, shapes);
    }
    this.group.classList.toggle("overdue", status === "running" && Boolean(agent.overdue));
    const note = noteOf(this.step, agent).find((text) => this.pen.note(text) <= ROOM) ?? "";
    if (note !== this.noted) {
      this.noted = note;
      this.note.textContent = visible(note);
    }
    const place = this.critical ? ", on the critical path" : "";
    const told = visible(`${this.step.agent}: ${agent ? word(status) : "planned"}, ${note}${place}`);
    if (told !== this.told) {
      this.told = told;
      this.group.setAttribute("aria-label", told);
      this.title.textContent = told;
    }
  }
}

/** A name as far as there is room for it. */
function shortened(name, width) {
  if (width(name) <= ROOM) return name;
  let short = name;
  while (short && width(`${short}…`) > ROOM) short = short.slice(0, -1);
  return `${short}…`;
}

/** What stands below the name, the longest form first: one that fits is shown. */
function noteOf(step, agent) {
  const expected = `~${duration(step.estimate.seconds)}`;
  if (!agent) return [expected];
  const last = agent.attempts.at(-1);
  const took = last?.started_at ? duration(secondsBetween(last.started_at, last.ended_at)) : "";
  switch (agent.status) {
    case "running": {
      const late = agent.overdue ? ", overdue" : "";
      const again = last?.attempt > 1 ? `, try ${last.attempt}` : "";
      const forms = [`${took} of ${expected}${late}${again}`, `${took}${late}${again}`, `${took}${late || again}`, took];
      return late ? forms : [forms[0], `${took} of ${expected}`, ...forms.slice(1)];
    }
    case "completed":
      return [took || "completed"];
    case "waiting":
    case "ready":
      return [`${agent.status}, ${expected}`, agent.status];
    default:
      return [word(agent.status)];
  }
}
