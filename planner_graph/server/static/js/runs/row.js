/** One run in the list. */

import { h } from "../dom.js";
import { ago, count, duration, secondsBetween, shortId, time } from "../format.js";
import { countsBar, goesOn, hasEnded, pill } from "../states.js";

/** A run as a row of the table, by the item that the server gives. */
export function runRow(item) {
  const id = item.workflow_execution_id;
  const counts = item.counts ?? {};
  const name = item.campaign?.name || item.campaign?.key || "unnamed campaign";
  const cell = (label, ...children) => h("td", { "data-label": label }, children);
  return h(
    "tr",
    { "data-run": id, "data-status": item.status },
    h(
      "th",
      { scope: "row" },
      h("a", { class: "run-link", href: `#/runs/${encodeURIComponent(id)}` }, name),
      h("code", { class: "muted" }, shortId(id)),
    ),
    cell(
      "Status",
      pill(item.status, { note: item.left_behind ? "left behind" : "" }),
      item.status_reason &&
        !["running", "completed"].includes(item.status) &&
        h("span", { class: "reason", title: item.status_reason }, item.status_reason),
    ),
    cell(
      "Agents",
      h(
        "span",
        { class: "agents-cell" },
        countsBar(counts, item.total_agents),
        h("span", { class: "figure" }, `${count(counts.completed ?? 0)} of ${count(item.total_agents)}`),
      ),
    ),
    cell("Strategy", item.strategy),
    cell(
      "Started",
      h(
        "time",
        { datetime: item.started_at, title: time(item.started_at), "data-ago": item.started_at },
        item.started_at ? ago(item.started_at) : "not yet",
      ),
    ),
    cell(
      "Time",
      h(
        "span",
        { class: "figure", "data-since": goesOn(item.status) ? item.started_at : null },
        duration(timeOf(item)),
      ),
    ),
    cell("Ends", ends(item)),
  );
}

function timeOf(item) {
  if (item.ended_at) return secondsBetween(item.started_at, item.ended_at);
  return goesOn(item.status) ? secondsBetween(item.started_at) : null;
}

function ends(item) {
  if (hasEnded(item.status)) return h("span", { class: "muted" }, time(item.ended_at));
  return item.estimated_completion_time ? `about ${time(item.estimated_completion_time)}` : "–";
}
