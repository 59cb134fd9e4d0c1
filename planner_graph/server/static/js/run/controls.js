/** What can be asked of a run: its buttons, with confirmation, and the questions that agents ask. */

import { post, runPath } from "../api.js";
import { confirm } from "../confirm.js";
import { h, put } from "../dom.js";
import { shortId, value } from "../format.js";
import { toast } from "../notices.js";
import { may } from "../session.js";
import { word } from "../states.js";

const ACTIONS = {
  pause: {
    label: "Pause",
    title: "Pause the run?",
    action: "Pause",
    says: "No further agent starts. Those at work have 30 seconds to end; the run can be resumed.",
  },
  resume: {
    label: "Resume",
    title: "Resume the run?",
    action: "Resume",
    primary: true,
    says: "Its unfinished agents run; those that have completed are not run again.",
  },
  cancel: {
    label: "Cancel",
    title: "Cancel the run?",
    action: "Cancel the run",
    danger: true,
    says: "No further agent starts, those at work are stopped. A cancelled run cannot be resumed.",
  },
};

/** The buttons and questions of one run, and of no other: what is asked is asked of the run with this `id`. */
export class Controls {
  /** `done()` is called when something was asked, whatever came of it. */
  constructor(id, done) {
    this.id = id;
    this.done = done;
    this.buttons = h("div", { class: "controls", role: "group", "aria-label": "Controls" });
    this.questions = h("div", { class: "questions" });
    this.told = "";
    this.open = null; // the dialog that is open: {action, question, leave}
  }

  /** Closes what is open: the page shows something else now. */
  end() {
    this.open?.leave.abort();
  }

  /** Shows what this run allows now; a dialog that asks for something else ends. */
  show(run) {
    this.run = run;
    const allowed = may("operator") ? (run.allowed_actions ?? []) : [];
    const questions = run.questions ?? [];
    this.check(allowed, questions);
    const problem = run.checkpoint_problem;
    const told = JSON.stringify([allowed, questions, problem]);
    if (told === this.told) return;
    this.told = told;
    put(
      this.buttons,
      Object.entries(ACTIONS)
        .filter(([name]) => allowed.includes(name))
        .map(([name, action]) =>
          h(
            "button",
            {
              type: "button",
              "data-action": name,
              class: action.primary ? "primary" : action.danger ? "danger-quiet" : "",
              on: { click: () => this.ask(name, action) },
            },
            action.label,
          ),
        ),
    );
    put(this.questions, [
      problem && h("p", { role: "alert", "data-checkpoint": problem.reason_code }, problem.detail),
      ...questions.map((question) => this.question(question, allowed)),
    ]);
  }

  check(allowed, questions) {
    if (!this.open) return;
    const { action, question, leave } = this.open;
    const asked = question === null || questions.some((other) => other.id === question);
    if (allowed.includes(action) && asked) return;
    leave.abort();
    toast(`The run is ${word(this.run.status)} by now; nothing was asked of it.`, "problem");
  }

  /** Asks for confirmation for as long as the run allows the action; names the run. */
  async confirmed(action, question, options) {
    this.open = { action, question, leave: new AbortController() };
    const { leave } = this.open;
    const { campaign } = this.run;
    const name = campaign?.name || campaign?.key || "Run";
    const about = [h("b", {}, name), " ", h("code", {}, shortId(this.id))];
    try {
      return await confirm({ ...options, about, signal: leave.signal });
    } finally {
      if (this.open?.leave === leave) this.open = null;
    }
  }

  question(question, allowed) {
    const { agent } = question;
    const able = may("operator") && allowed.includes("approve");
    return h(
      "section",
      { class: "question", "aria-label": `Question of ${agent}`, "data-question": agent },
      h("h2", {}, h("span", { class: "question-mark", "aria-hidden": "true" }, "?"), h("span", {}, agent, " asks")),
      h("pre", {}, value(question.value, 4000)),
      question.answered_by &&
        h(
          "p",
          { class: "muted" },
          `Answered by ${question.answered_by}; used when the run goes on. Until then another answer takes its place.`,
        ),
      able &&
        h(
          "div",
          { class: "question-buttons" },
          h(
            "button",
            {
              type: "button",
              class: "primary",
              "data-action": "approve",
              on: { click: () => this.answer("approve", agent, question) },
            },
            "Approve",
          ),
          h(
            "button",
            {
              type: "button",
              class: "danger-quiet",
              "data-action": "reject",
              on: { click: () => this.answer("reject", agent, question) },
            },
            "Reject",
          ),
        ),
    );
  }

  async ask(name, { title, says, action, danger }) {
    const given = await this.confirmed(name, null, { title, says, action, danger });
    if (given) await this.send({ action: name, ...(given.reason ? { reason: given.reason } : {}) });
  }

  async answer(action, agent, question) {
    const approves = action === "approve";
    const field = approves && h("textarea", { id: "answer", rows: "2", spellcheck: "false", placeholder: "true" });
    const given = await this.confirmed(action, question.id, {
      title: approves ? `Approve ${agent}?` : `Reject ${agent}?`,
      says: approves ? "The agent gets the answer below, or true." : "The agent gets the answer false.",
      action: approves ? "Approve" : "Reject",
      danger: !approves,
      reasonLabel: approves ? "Reason (optional)" : "Reason",
      reasonRequired: !approves,
      extra: field && [h("label", { for: "answer" }, "Answer, as JSON or text (optional)"), field],
    });
    if (!given) return;
    await this.send({
      action,
      agent,
      question: question.id,
      ...(given.reason ? { reason: given.reason } : {}),
      ...(field && field.value.trim() ? { answer: parsed(field.value.trim()) } : {}),
    });
  }

  async send(body) {
    for (const button of this.buttons.querySelectorAll("button")) button.disabled = true;
    try {
      const answer = await post(runPath(this.id, "/control"), body);
      toast(answer.says ?? `${body.action}: ${answer.status}`);
    } catch (error) {
      const allowed = error.problem?.allowed_actions;
      toast(allowed ? `${error.message} Allowed now: ${allowed.join(", ") || "nothing"}.` : error.message, "problem");
    } finally {
      this.told = "";
      this.done();
    }
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
