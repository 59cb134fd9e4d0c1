/** All agents of a run as a table, with what each waits for: the picture in words. */

import { h, put } from "../dom.js";
import { folded } from "../fold.js";
import { duration, secondsBetween } from "../format.js";
import { overdueWords, pill } from "../states.js";

export class AgentsView {
  constructor(model, opened) {
    this.model = model;
    this.opened = opened;
    this.rows = new Map([...model.agents.values()].map((agent) => [agent.name, this.row(agent)]));
    this.search = h("input", {
      type: "search",
      id: "agent-search",
      placeholder: "Find an agent",
      "aria-label": "Find an agent",
      on: { input: () => this.filter() },
    });
    this.element = h(
      "div",
      { class: "agents" },
      model.agents.size > 8 && h("div", { class: "tool-row" }, this.search),
      h(
        "table",
        { class: "agents-table" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Agent", "State", "Time", "Expected", "Tries", "Why"].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h(
          "tbody",
          {},
          [...this.rows.values()].map((row) => row.element),
        ),
      ),
    );
    this.updateAll();
  }

  row(agent) {
    const cell = (label) => h("td", { "data-label": label });
    const row = {
      name: agent.name,
      state: cell("State"),
      time: cell("Time"),
      tries: cell("Tries"),
      why: cell("Why"),
      told: "",
    };
    row.element = h(
      "tr",
      { "data-agent": agent.name },
      h(
        "th",
        { scope: "row" },
        h("button", { type: "button", class: "link", on: { click: () => this.opened(agent.name) } }, agent.name),
        this.model.critical.has(agent.name) &&
          h("span", { class: "critical-mark", title: "on the critical path" }, "critical"),
      ),
      row.state,
      row.time,
      h("td", { "data-label": "Expected" }, `~${duration(agent.step.estimate.seconds)}`),
      row.tries,
      row.why,
    );
    return row;
  }

  draw(row) {
    const agent = this.model.agents.get(row.name);
    const last = agent.attempts.at(-1);
    const time = last?.started_at ? duration(secondsBetween(last.started_at, last.ended_at)) : "–";
    const late = agent.status === "running" ? agent.overdue : null;
    const why = late ? overdueWords(late) : (agent.why ?? agent.reason ?? "");
    const told = [agent.status, time, last?.attempt, why].join("\n");
    if (told === row.told) return;
    row.told = told;
    put(row.state, pill(agent.status, { note: late ? "overdue" : "" }));
    put(row.time, time);
    put(row.tries, last?.attempt || "–");
    put(row.why, why ? folded(why) : "–");
  }

  filter() {
    const wanted = this.search.value.trim().toLowerCase();
    for (const row of this.rows.values()) row.element.hidden = !row.name.toLowerCase().includes(wanted);
  }

  update(names = null) {
    for (const row of this.rows.values()) {
      if (names ? names.has(row.name) : this.model.agents.get(row.name).status === "running") this.draw(row);
    }
  }

  updateAll() {
    for (const row of this.rows.values()) this.draw(row);
  }

  mark(name) {
    for (const row of this.rows.values()) row.element.classList.toggle("marked", row.name === name);
  }
}
