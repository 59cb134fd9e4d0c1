/** The list of runs: filters, live status, one page after the other. */

import { get } from "../api.js";
import { h, put } from "../dom.js";
import { ago, duration, secondsBetween } from "../format.js";
import { LiveFeed } from "../live.js";
import { connection, empty, problem } from "../notices.js";
import { runRow } from "../runs/row.js";

const PAGE = 50;
const GROUPS = {
  all: [],
  active: ["pending", "running", "pausing", "cancelling"],
  paused: ["paused"],
  completed: ["completed", "partial_success"],
  failed: ["failed", "partial_success"],
  cancelled: ["cancelled"],
};
const STRATEGIES = ["", "adaptive", "parallel", "sequential"];
const TYPING_MS = 250;

/** Shows the page. */
export function show(main, query) {
  const page = new RunsPage(main, query);
  page.load();
  return page;
}

class RunsPage {
  constructor(main, query) {
    this.items = new Map();
    this.cursor = null;
    this.read(query);
    this.body = h("tbody", {});
    this.table = h(
      "table",
      { class: "runs" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Run", "Status", "Agents", "Strategy", "Started", "Time", "Ends"].map((name) =>
            h("th", { scope: "col" }, name),
          ),
        ),
      ),
      this.body,
    );
    this.place = h("div", { class: "runs-place", "aria-busy": "true" });
    this.more = h(
      "button",
      { type: "button", class: "more", hidden: true, on: { click: () => this.load(true) } },
      "Older runs",
    );
    main.append(
      h(
        "div",
        { class: "page" },
        h(
          "div",
          { class: "page-head" },
          h("h1", {}, "Runs"),
          h("a", { class: "button primary", href: "#/plan" }, "New run"),
        ),
        this.filters(),
        this.place,
        this.more,
      ),
    );
    this.feed = new LiveFeed(() => "workflows/live", {
      state: (state) => {
        connection(state);
        if (state === "live" && this.wasAway) this.load();
        this.wasAway = state === "reconnecting";
      },
      frame: (frame) => frame.type === "run" && this.changed(frame.run),
    });
    this.clock = setInterval(() => this.tick(), 1000);
  }

  end() {
    this.feed.close();
    clearInterval(this.clock);
    clearTimeout(this.typing);
    this.loading?.abort();
  }

  /** Follows the address, as after going back. */
  follow(query) {
    this.read(query);
    this.showFilters();
    this.load();
  }

  read(query) {
    this.group = query.get("show") in GROUPS ? query.get("show") : "all";
    this.campaign = query.get("campaign") ?? "";
    this.strategy = STRATEGIES.includes(query.get("strategy") ?? "") ? (query.get("strategy") ?? "") : "";
  }

  filters() {
    this.chips = Object.keys(GROUPS).map((name) =>
      h(
        "button",
        { type: "button", class: "chip", "data-group": name, on: { click: () => this.go({ group: name }) } },
        name[0].toUpperCase() + name.slice(1),
      ),
    );
    this.campaignField = h("input", {
      type: "search",
      id: "campaign-filter",
      placeholder: "Campaign id",
      on: {
        input: () => {
          clearTimeout(this.typing);
          this.typing = setTimeout(() => this.go({ campaign: this.campaignField.value.trim() }), TYPING_MS);
        },
      },
    });
    this.strategyField = h(
      "select",
      { id: "strategy-filter", on: { change: () => this.go({ strategy: this.strategyField.value }) } },
      STRATEGIES.map((name) => h("option", { value: name }, name || "any strategy")),
    );
    this.showFilters();
    return h(
      "div",
      { class: "filters" },
      h("div", { class: "chips", role: "group", "aria-label": "Status" }, this.chips),
      h("label", { class: "visually-hidden", for: "campaign-filter" }, "Campaign"),
      this.campaignField,
      h("label", { class: "visually-hidden", for: "strategy-filter" }, "Strategy"),
      this.strategyField,
    );
  }

  showFilters() {
    for (const chip of this.chips) chip.setAttribute("aria-pressed", String(chip.dataset.group === this.group));
    if (this.campaignField.value.trim() !== this.campaign) this.campaignField.value = this.campaign;
    this.strategyField.value = this.strategy;
  }

  go(change) {
    const wanted = { group: this.group, campaign: this.campaign, strategy: this.strategy, ...change };
    const query = new URLSearchParams();
    if (wanted.group !== "all") query.set("show", wanted.group);
    if (wanted.campaign) query.set("campaign", wanted.campaign);
    if (wanted.strategy) query.set("strategy", wanted.strategy);
    history.replaceState(null, "", `#/runs${query.size ? `?${query}` : ""}`);
    this.follow(query);
  }

  async load(older = false) {
    this.loading?.abort();
    const { signal } = (this.loading = new AbortController());
    const query = new URLSearchParams({ limit: PAGE });
    for (const status of GROUPS[this.group]) query.append("status", status);
    if (this.campaign) query.set("campaign", this.campaign);
    if (this.strategy) query.set("strategy", this.strategy);
    if (older) query.set("cursor", this.cursor);
    try {
      const listed = await get(`workflows?${query}`, { signal });
      if (!older) this.items.clear();
      for (const item of listed.items) this.items.set(item.workflow_execution_id, item);
      this.cursor = listed.next_cursor;
      this.draw();
    } catch (error) {
      if (error.name !== "AbortError") put(this.place, problem(error));
    }
  }

  draw() {
    this.place.setAttribute("aria-busy", "false");
    this.more.hidden = !this.cursor;
    this.rows = new Map();
    put(
      this.body,
      [...this.items.values()].map((item) => this.row(item)),
    );
    put(this.place, this.items.size ? this.table : this.nothing());
  }

  nothing() {
    if (this.group !== "all" || this.campaign || this.strategy) {
      return empty(
        "No run is like that.",
        h(
          "button",
          { type: "button", on: { click: () => this.go({ group: "all", campaign: "", strategy: "" }) } },
          "Show all",
        ),
      );
    }
    return empty(
      "No runs yet.",
      h("p", { class: "muted" }, "Plan a campaign and start it, or use ", h("code", {}, "planner-graph run"), "."),
      h("a", { class: "button primary", href: "#/plan" }, "Plan a campaign"),
    );
  }

  /** Puts a run in its place that has changed, begun, or does not fit the filters any more. */
  changed(item) {
    const id = item.workflow_execution_id;
    const there = this.items.has(id);
    if (!this.fits(item)) {
      if (there) {
        this.items.delete(id);
        this.draw();
      }
      return;
    }
    if (!there) {
      const oldest = [...this.items.values()].at(-1);
      if (this.cursor && oldest && item.created_at < oldest.created_at) return;
      this.items.set(id, item);
      const newestFirst = [...this.items.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
      this.items = new Map(newestFirst.map((run) => [run.workflow_execution_id, run]));
      this.draw();
      return;
    }
    this.items.set(id, item);
    const old = this.rows?.get(id);
    const focused = old?.contains(document.activeElement);
    const row = this.row(item);
    old?.replaceWith(row);
    if (focused) row.querySelector("a").focus();
  }

  fits(item) {
    const statuses = GROUPS[this.group];
    return (
      (!statuses.length || statuses.includes(item.status)) &&
      (!this.strategy || item.strategy === this.strategy) &&
      (!this.campaign || item.campaign?.key === this.campaign)
    );
  }

  row(item) {
    const row = runRow(item);
    this.rows?.set(item.workflow_execution_id, row);
    return row;
  }

  tick() {
    for (const place of this.body.querySelectorAll("[data-ago]")) place.textContent = ago(place.dataset.ago);
    for (const place of this.body.querySelectorAll("[data-since]")) {
      place.textContent = duration(secondsBetween(place.dataset.since));
    }
  }
}
