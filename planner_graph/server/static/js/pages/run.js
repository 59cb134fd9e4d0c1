/** One run: its graph, timeline, agents and events, live; and what can be asked of it. */

import { get, runPath } from "../api.js";
import { announce, h, put } from "../dom.js";
import { LiveFeed } from "../live.js";
import { connection, problem } from "../notices.js";
import { AgentPanel } from "../run/agent.js";
import { AgentsView } from "../run/agents.js";
import { Controls } from "../run/controls.js";
import { GanttView } from "../run/gantt.js";
import { GraphView, statesLegend } from "../run/graph.js";
import { LogView } from "../run/log.js";
import { RunModel } from "../run/model.js";
import { ResultView } from "../run/result.js";
import { Summary } from "../run/summary.js";
import { AGENT_STATUSES, goesOn, hasEnded, word } from "../states.js";
import { Tabs } from "../tabs.js";

const PROGRESS_MS = 800; // between two looks at the progress while events come
const QUIET_MS = 5000; // the same while none come
const TICK_MS = 500;

/** Shows the page. */
export function show(main, query, id) {
  const page = new RunPage(main, query, id);
  page.open();
  return page;
}

class RunPage {
  constructor(main, query, id) {
    Object.assign(this, { main, query, id, changed: new Set(), pending: [], ended: false });
    this.stop = new AbortController();
    put(main, h("div", { class: "page" }, h("p", { class: "empty" }, "Loading …")));
  }

  end() {
    this.ended = true;
    this.stop.abort();
    this.feed?.close();
    clearInterval(this.clock);
    clearTimeout(this.asking);
    this.tabs?.end();
    this.panel?.end();
    this.controls?.end();
    document.title = "planner_graph";
  }

  read(rest, options = {}) {
    return get(runPath(this.id, rest), { signal: this.stop.signal, ...options });
  }

  async open() {
    try {
      const [run, plan, schedule, progress] = await Promise.all([
        this.read(""),
        this.read("/plan?format=json"),
        this.read("/schedule"),
        this.read("/progress"),
      ]);
      if (this.ended) return;
      this.id = run.workflow_execution_id;
      this.build(run, plan.plan ?? plan, schedule, progress);
      this.listen();
    } catch (error) {
      if (error.name !== "AbortError")
        put(
          this.main,
          h("div", { class: "page" }, problem(error), h("a", { class: "button", href: "#/runs" }, "All runs")),
        );
    }
  }

  build(run, plan, schedule, progress) {
    const model = (this.model = new RunModel(plan));
    model.setRun(run);
    model.setTables(schedule.actual, progress);
    const opened = (name) => this.openAgent(name);
    this.controls?.end();
    this.controls = new Controls(this.id, () => this.refreshRun());
    this.summary = new Summary(this.id, this.controls.buttons, opened);
    this.panel = new AgentPanel(this.id, model, opened);
    this.log = new LogView(this.id, opened);
    this.tabs = new Tabs(
      {
        graph: { label: "Graph", make: () => this.graph(opened) },
        timeline: { label: "Timeline", make: () => new GanttView(model, schedule.planned, opened) },
        agents: { label: "Agents", make: () => new AgentsView(model, opened) },
        events: { label: "Events", make: () => this.log },
        result: { label: "Result", make: () => new ResultView(model) },
      },
      (key, part) => this.tabOpened(key, part),
      "Views of this run",
    );
    this.workspace = h(
      "div",
      { class: "workspace" },
      h("div", { class: "views" }, this.tabs.list, this.tabs.panel),
      this.panel.element,
    );
    put(
      this.main,
      h(
        "div",
        { class: "page run-page", "data-run": this.id },
        this.summary.element,
        this.controls.questions,
        this.workspace,
      ),
    );
    this.drawRun();
    this.follow(this.query);
    this.clock = setInterval(() => this.tick(), TICK_MS);
  }

  graph(opened) {
    const view = new GraphView(this.model.plan, { model: this.model, opened });
    const graph = view.element;
    view.element = h("div", {}, graph, statesLegend(AGENT_STATUSES));
    return view;
  }

  /** Follows the address: which tab and which agent are open. */
  follow(query) {
    this.query = query;
    this.tabs?.open(query.get("tab") ?? "graph");
    this.showAgent(query.get("agent"));
  }

  tabOpened(key, part) {
    this.address({ tab: key === "graph" ? null : key });
    part.updateAll?.();
    if (part.fit) requestAnimationFrame(() => part.fit());
    part.mark?.(this.panel?.name ?? null);
  }

  openAgent(name) {
    this.address({ agent: name });
    this.showAgent(name);
  }

  showAgent(name) {
    const known = this.model.agents.has(name) ? name : null;
    const before = this.panel.name;
    this.panel.show(known);
    this.workspace.classList.toggle("with-panel", Boolean(known));
    this.tabs.current?.mark?.(known);
    if (before && !known) this.tabs.panel.querySelector(`[data-agent="${CSS.escape(before)}"]`)?.focus?.();
  }

  address(change) {
    const query = new URLSearchParams(this.query);
    for (const [key, given] of Object.entries(change)) {
      if (given) query.set(key, given);
      else query.delete(key);
    }
    this.query = query;
    history.replaceState(null, "", `#/runs/${encodeURIComponent(this.id)}${query.size ? `?${query}` : ""}`);
  }

  listen() {
    this.feed = new LiveFeed((sequence) => runPath(this.id, `/live${sequence === null ? "" : `?after=${sequence}`}`), {
      state: (state) => this.feedIs(state),
      frame: (frame) => this.take(frame),
    });
  }

  /** Shows how the feed stands; after an interruption, reads what may have failed to arrive. */
  feedIs(state) {
    connection(state);
    if (state === "reconnecting") this.wasAway = true;
    if (state !== "live" || !this.wasAway) return;
    this.wasAway = false;
    this.catchUp();
  }

  catchUp() {
    if (this.log.upTo) this.quietly(() => this.readLog());
    this.refreshTables();
  }

  async readLog() {
    await this.log.load(this.stop.signal);
    this.model.setReasons(this.log.after(0));
    this.summary.draw(this.model);
    this.tabs.current?.updateAll?.();
  }

  take(frame) {
    if (frame.type === "event") {
      this.pending.push(frame);
      this.flushing ??= requestAnimationFrame(() => this.flush());
    } else if (frame.type === "snapshot") {
      this.log.upTo = frame.sequence;
      this.catchUp();
    } else if (frame.type === "end") {
      this.refreshRun();
      this.refreshProgress();
    }
  }

  /** Draws what the events of the last frame changed. */
  flush() {
    this.flushing = null;
    const events = this.pending.splice(0);
    const changed = new Set();
    for (const event of events) {
      const name = this.model.apply(event);
      if (name) changed.add(name);
      this.log.take(event);
    }
    const status = this.model.status;
    this.summary.drawFailures(this.model);
    this.summary.drawProgress(this.model);
    this.tabs.current?.update(changed);
    if (changed.has(this.panel.name)) this.panel.load();
    if (events.some((event) => RunModel.changesAll(event))) this.reopen();
    else if (events.some((event) => event.event.startsWith("run_") || event.event === "agent_answered"))
      this.runChanged(status);
    this.askProgress(PROGRESS_MS);
  }

  runChanged(status) {
    this.summary.draw(this.model);
    this.tabs.current?.updateAll?.();
    if (status !== this.said) announce(`The run is ${word(status)}.`);
    this.said = status;
    this.refreshRun();
  }

  async refreshRun() {
    await this.quietly(async () => {
      const run = await this.read("");
      this.model.setRun(run, this.log.after(run.last_sequence));
      this.drawRun();
    });
  }

  drawRun() {
    this.summary.draw(this.model);
    this.controls.show(this.model.run);
    if (hasEnded(this.model.status) || !goesOn(this.model.status)) this.tabs.current?.updateAll?.();
  }

  /** Looks at the progress some time from now, if that is not about to happen anyway. */
  askProgress(wait) {
    if (this.asking && wait >= this.askedWait) return;
    clearTimeout(this.asking);
    this.askedWait = wait;
    this.asking = setTimeout(() => this.refreshProgress(), wait);
  }

  async refreshProgress() {
    clearTimeout(this.asking);
    this.asking = null;
    await this.quietly(async () => {
      this.model.setProgress(await this.read("/progress"));
      this.summary.draw(this.model);
      this.tabs.current?.updateAll?.();
    });
    if (!this.ended && goesOn(this.model.status)) this.askProgress(QUIET_MS);
  }

  async refreshTables() {
    await this.quietly(async () => {
      const run = await this.read("");
      const [schedule, progress] = await Promise.all([this.read("/schedule"), this.read("/progress")]);
      this.model.setRun(run);
      this.model.setTables(schedule.actual, progress);
      for (const event of this.log.after(run.last_sequence)) this.model.apply(event); // heard meanwhile
      this.model.setReasons(this.log.after(0));
      this.drawRun();
      this.tabs.current?.updateAll?.();
      if (goesOn(this.model.status)) this.askProgress(QUIET_MS);
    });
  }

  /** Starts over, as the plan or all tables are other ones now. */
  reopen() {
    this.feed.close();
    clearInterval(this.clock);
    this.tabs.end();
    this.open();
  }

  /** Reads something; a problem that passes is shown by the state of the connection. */
  async quietly(read) {
    try {
      await read();
    } catch (error) {
      if (error.name !== "AbortError" && error.status === undefined) throw error;
    }
  }

  tick() {
    if (!goesOn(this.model.status)) return;
    this.summary.tick(this.model);
    this.tabs.current?.update(null);
  }
}
