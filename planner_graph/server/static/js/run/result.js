/** How a run ended: its deliverables, what is missing, what it used. */

import { h, put } from "../dom.js";
import { value } from "../format.js";
import { empty } from "../notices.js";
import { hasEnded } from "../states.js";
import { usageSection } from "./agent.js";

export class ResultView {
  constructor(model) {
    this.model = model;
    this.element = h("div", { class: "result" });
    this.updateAll();
  }

  updateAll() {
    const { run } = this.model;
    const result = run.result;
    const deliverables = Object.entries(result?.deliverables ?? {});
    const missing = result?.missing ?? [];
    const excused = result?.excused ?? [];
    if (!result && !run.usage) {
      put(
        this.element,
        empty(hasEnded(this.model.status) ? "There is no result." : "The result comes when the run has ended."),
      );
      return;
    }
    put(
      this.element,
      missing.length > 0 &&
        h(
          "div",
          { class: "problem" },
          h("strong", {}, "Missing"),
          h(
            "ul",
            {},
            missing.map((item) => h("li", {}, typeof item === "string" ? item : value(item))),
          ),
        ),
      excused.length > 0 && h("p", { class: "muted" }, `Excused, as a rejection skipped it: ${excused.join(", ")}.`),
      deliverables.map(([name, given]) =>
        h("section", { class: "deliverable" }, h("h2", {}, titled(name, result.outputs)), shown(given)),
      ),
      result && !deliverables.length && h("p", { class: "muted" }, "No deliverable is there."),
      usageSection(run.usage),
    );
  }

  update() {}

  mark() {}
}

/** Names a deliverable, and the output that it is, if that has another name. */
function titled(name, outputs) {
  const output = outputs?.[name] ?? name;
  return output === name ? name : `${name} (${output})`;
}

function shown(given) {
  const short = given && typeof given === "object" && given.truncated;
  return [
    h("pre", {}, value(short ? given.preview : given, 6000)),
    short && h("p", { class: "hint" }, "The beginning of a large value."),
  ];
}
