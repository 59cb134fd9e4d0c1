/** What has happened in a run, newest first, in words; each with its data on request. */

import { get, runPath } from "../api.js";
import { h, put } from "../dom.js";
import { folded } from "../fold.js";
import { duration, time, value } from "../format.js";
import { icon, word } from "../states.js";

const PAGE = 1000;
const MOST_AT_ONCE = 200;

export class LogView {
  /** `opened(name)` is called when somebody opens an agent. */
  constructor(id, opened) {
    this.id = id;
    this.opened = opened;
    this.events = new Map();
    this.shown = MOST_AT_ONCE;
    this.upTo = 0; // what happened up to this number is still to be read
    this.search = h("input", {
      type: "search",
      placeholder: "Agent or event",
      "aria-label": "Filter by agent or event",
      on: { input: () => this.draw() },
    });
    this.list = h("ol", { class: "log", reversed: true });
    this.more = h(
      "button",
      {
        type: "button",
        class: "more",
        hidden: true,
        on: {
          click: () => {
            this.shown += MOST_AT_ONCE;
            this.draw();
          },
        },
      },
      "Earlier events",
    );
    this.element = h("div", {}, h("div", { class: "tool-row" }, this.search), this.list, this.more);
  }

  /** Reads what happened before the page was opened, page by page; goes on where it was cut off. */
  async load(signal) {
    let after = 0;
    while (this.events.has(after + 1)) after += 1;
    while (after < this.upTo) {
      const page = await get(runPath(this.id, `/events?after=${after}&limit=${PAGE}`), { signal });
      for (const event of page.items) this.events.set(event.sequence, event);
      if (!page.items.length) break;
      after = page.items.at(-1).sequence;
    }
    this.upTo = 0;
    this.updateAll();
  }

  /** Takes note of an event. */
  take(event) {
    this.events.set(event.sequence, event);
    if (!this.element.isConnected || this.search.value) return;
    const first = this.list.firstElementChild;
    const [latest] = first ? [Number(first.dataset.sequence)] : [0];
    if (event.sequence > latest) this.list.prepend(this.line(event));
    while (this.list.childElementCount > this.shown) this.list.lastElementChild.remove();
    this.more.hidden = this.events.size <= this.shown;
  }

  /** The events after a number, in order. */
  after(sequence) {
    return [...this.events.values()]
      .filter((event) => event.sequence > sequence)
      .sort((a, b) => a.sequence - b.sequence);
  }

  updateAll() {
    if (this.element.isConnected) this.draw();
  }

  update() {}

  mark() {}

  end() {}

  draw() {
    const wanted = this.search.value.trim().toLowerCase();
    const fitting = [...this.events.values()]
      .sort((a, b) => b.sequence - a.sequence)
      .filter(
        (event) =>
          !wanted || `${event.agent_name ?? ""} ${event.event.replaceAll("_", " ")}`.toLowerCase().includes(wanted),
      );
    put(
      this.list,
      fitting.slice(0, this.shown).map((event) => this.line(event)),
    );
    this.more.hidden = fitting.length <= this.shown;
    if (!fitting.length)
      put(this.list, h("li", { class: "muted" }, wanted ? "Nothing is like that." : "Nothing has happened yet."));
  }

  line(event) {
    const words = describe(event);
    const data = event.data && Object.keys(event.data).length > 0;
    return h(
      "li",
      { value: event.sequence, "data-sequence": event.sequence },
      h("time", { datetime: event.at, title: event.at }, time(event.at, { precise: true })),
      h("span", { class: "log-icon", "data-status": words.status }, icon(words.status)),
      h(
        "div",
        { class: "log-words" },
        h(
          "div",
          {},
          event.agent_name && [
            h(
              "button",
              { type: "button", class: "link", on: { click: () => this.opened(event.agent_name) } },
              event.agent_name,
            ),
            " ",
          ],
          folded(words.says),
        ),
        data &&
          h(
            "details",
            {
              on: {
                toggle: ({ target }) => {
                  if (target.open && target.childElementCount === 1) target.append(h("pre", {}, value(event.data)));
                },
              },
            },
            h("summary", {}, "data"),
          ),
      ),
    );
  }
}

/** Says in words what an event tells: `{says, status}`. */
export function describe({ event, data: given }) {
  const data = given ?? {};
  const because = data.reason ? `: ${data.reason}` : "";
  const by = data.by ? ` by ${data.by}` : "";
  switch (event) {
    case "run_accepted":
      return { says: `the run is accepted: ${data.total_agents} agents, ${data.strategy}`, status: "pending" };
    case "run_started":
      return { says: data.again ? "the run goes on" : "the run starts", status: "running" };
    case "run_resumed":
      return { says: "goes on from a checkpoint", status: "running" };
    case "run_interrupted":
      return { says: "the run asks somebody", status: "interrupted" };
    case "run_pausing":
      return { says: `pause asked${by}${because}`, status: "pausing" };
    case "run_paused":
      return { says: `the run is paused${because}`, status: "paused" };
    case "run_cancelling":
      return { says: `cancel asked${by}${because}`, status: "cancelling" };
    case "run_taken_over":
      return { says: `taken over${by}`, status: "running" };
    case "run_ended":
      return { says: `the run has ended: ${word(data.status)}${because}`, status: data.status ?? "completed" };
    case "run_replanned":
      return { says: `goes on under plan revision ${data.revision}${by}`, status: "pending" };
    case "run_reconciled":
      return { says: "the tables were put right from the checkpoint", status: "retrying" };
    case "agent_started":
      return { says: data.attempt > 1 ? `starts, try ${data.attempt}` : "starts", status: "running" };
    case "attempt_failed":
      return { says: failed(data), status: data.retry_in_seconds == null ? "failed" : "retrying" };
    case "agent_warning":
      return { says: `warning: ${data.message}`, status: "interrupted" };
    case "agent_interrupted":
      return { says: `is interrupted${because}`, status: "interrupted" };
    case "agent_answered":
      return {
        says: `is answered${by}: ${value(data.answer, 200)}${data.reason ? ` (${data.reason})` : ""}`,
        status: "interrupted",
      };
    case "agent_ended":
      return ended(data.record ?? {});
    case "agent_reopened":
      return { says: `waits once more${because}`, status: "waiting" };
    default:
      return { says: event.replaceAll("_", " "), status: "waiting" };
  }
}

function failed(data) {
  const error = [data.error?.type, data.error?.message].filter(Boolean).join(": ");
  const next = data.retry_in_seconds == null ? "no attempt left" : `again in ${duration(data.retry_in_seconds)}`;
  return `try ${data.attempt} failed: ${error}; ${next}`;
}

function ended(record) {
  const took =
    record.started_at && record.ended_at
      ? ` after ${duration((Date.parse(record.ended_at) - Date.parse(record.started_at)) / 1000)}`
      : "";
  return {
    says: `${word(record.status)}${took}${record.reason ? `: ${record.reason}` : ""}`,
    status: record.status ?? "completed",
  };
}
