/** What the dashboard tells: problems, toasts, the state of the connection. */

import { announce, h, put } from "./dom.js";
import { folded } from "./fold.js";

const TOAST_MS = 6000;
const CONNECTION = {
  idle: "",
  connecting: "connecting",
  live: "live",
  reconnecting: "reconnecting",
  ended: "",
};

/** Shows how the live feed stands. */
export function connection(state) {
  const place = document.getElementById("connection");
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  place.textContent = CONNECTION[state];
}

/** A box that says what went wrong, with all findings that the server lists. */
export function problem(error) {
  const findings = error.problem?.findings ?? [];
  const said = [error.problem?.title, ...findings.map((finding) => finding.problem)];
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("strong", {}, error.problem?.title ?? "Something went wrong"),
    error.message && !said.includes(error.message) && folded(error.message, { tag: "p" }),
    findings.length > 0 && findingsList(findings),
  );
}

/** Findings, each with its key, problem and remedy. */
export function findingsList(findings) {
  return h(
    "ul",
    { class: "findings" },
    findings.map((finding) =>
      h(
        "li",
        {},
        finding.key && h("code", {}, keyText(finding.key)),
        h("span", {}, finding.problem),
        finding.remedy && h("span", { class: "muted" }, finding.remedy),
      ),
    ),
  );
}

function keyText(key) {
  return Array.isArray(key) ? key.join(".") : key;
}

/** Says something for a few seconds, also aloud. */
export function toast(text, kind = "done") {
  const note = h("div", { class: "toast", "data-kind": kind }, text);
  document.getElementById("toasts").append(note);
  announce(text);
  setTimeout(() => note.remove(), TOAST_MS);
}

/** An empty page's words, with what to do. */
export function empty(title, ...rest) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), rest);
}

/** Fills a place with what a promise gives, or with the problem. */
export async function into(place, promise, draw) {
  try {
    put(place, draw(await promise));
  } catch (error) {
    if (error.name !== "AbortError") put(place, problem(error));
  }
}
