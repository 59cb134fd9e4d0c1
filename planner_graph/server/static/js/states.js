/** States of runs and agents: their words, icons and pills. A state is told by shape and word, never by colour alone. */

import { h, s } from "./dom.js";
import { duration } from "./format.js";

const WORDS = {
  partial_success: "partial success",
  interrupted: "asks",
};

// Strokes of 16 by 16 icons.
const SHAPES = {
  pending: ["M8 4.5v3.7l2.4 1.6", "M8 2.2a5.8 5.8 0 1 0 0 11.6 5.8 5.8 0 0 0 0-11.6"],
  waiting: ["M8 3.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6"],
  ready: ["M8 3.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6", "M8 7.2v1.6"],
  running: ["M5.2 3.4v9.2L12.4 8z"],
  retrying: ["M12.6 8a4.7 4.7 0 1 1-1.5-3.4", "M11.4 2v3h-3"],
  completed: ["M3.4 8.4l3.1 3.2 6.1-7"],
  partial_success: ["M3.4 8.4l3.1 3.2 6.1-7", "M2.6 14h10.8"],
  failed: ["M4.2 4.2l7.6 7.6", "M11.8 4.2l-7.6 7.6"],
  skipped: ["M3 4.2L7.4 8 3 11.8", "M8.4 4.2L12.8 8l-4.4 3.8"],
  cancelled: ["M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6", "M4.3 4.3l7.4 7.4"],
  cancelling: ["M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6", "M4.3 4.3l7.4 7.4"],
  paused: ["M5.6 3.6v8.8", "M10.4 3.6v8.8"],
  pausing: ["M5.6 3.6v8.8", "M10.4 3.6v8.8"],
  overdue: ["M8 2.6L14 13.2H2z", "M8 6.6v3", "M8 11.2v.3"],
  interrupted: ["M5.5 6a2.6 2.6 0 1 1 3.6 2.3C8.3 8.7 8 9.1 8 10", "M8 12.6v.3"],
};

export const RUN_STATUSES = [
  "pending",
  "running",
  "pausing",
  "paused",
  "cancelling",
  "cancelled",
  "completed",
  "partial_success",
  "failed",
];
export const AGENT_STATUSES = [
  "running",
  "retrying",
  "interrupted",
  "ready",
  "waiting",
  "completed",
  "failed",
  "skipped",
  "cancelled",
];

const ENDED_RUN = new Set(["cancelled", "completed", "partial_success", "failed"]);

/** Whether a run in this state is over. */
export const hasEnded = (status) => ENDED_RUN.has(status);

/** Whether agents of a run in this state may be at work. */
export const goesOn = (status) => ["running", "pausing", "cancelling"].includes(status);

/** The word for a state. */
export const word = (status) => WORDS[status] ?? String(status);

/** Says of an overdue agent what was expected of it, and what happens next. */
export const overdueWords = ({ expected_seconds: expected, next }) =>
  `overdue: nine in ten end within ${duration(expected)}; ${next}`;

/** The strokes of a state's icon, for a drawing of its own. */
export const strokes = (status) => SHAPES[status] ?? SHAPES.waiting;

/** A state's icon. */
export function icon(status) {
  return s(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    strokes(status).map((d) => s("path", { d })),
  );
}

/** A state as a pill with icon and word. */
export function pill(status, { note = "" } = {}) {
  return h(
    "span",
    { class: "pill", "data-status": status },
    icon(status),
    h("span", {}, word(status)),
    note && h("span", { class: "pill-note" }, note),
  );
}

const LISTS = { interrupted: "interrupted" }; // by its word an agent asks; of a run that has ended it was lost

/** A bar in whose parts the agents of a run are counted by state. */
export function countsBar(counts, total) {
  const parts = ["completed", "failed", "cancelled", "skipped", "interrupted", "running", "waiting"].filter((name) => counts?.[name]);
  const bar = h("span", {
    class: "counts-bar",
    role: "img",
    "aria-label": parts.map((name) => `${counts[name]} ${LISTS[name] ?? word(name)}`).join(", ") || "no agents",
  });
  for (const name of parts) {
    const part = h("span", { class: "part", "data-status": name });
    part.style.setProperty("flex-grow", counts[name] / Math.max(total, 1));
    bar.append(part);
  }
  return bar;
}
