/** Tabs, as the ARIA practices describe them: arrow keys move between them. */

import { h, put } from "./dom.js";

export class Tabs {
  /**
   * `parts` maps a key to `{label, make}`; `make()` gives `{element, ...}` when a tab is first opened.
   * `chosen(key, part)` is called whenever one is opened.
   */
  constructor(parts, chosen, label) {
    this.parts = parts;
    this.chosen = chosen;
    this.made = new Map();
    this.buttons = Object.entries(parts).map(([key, part]) =>
      h(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${key}`,
          "aria-controls": "tab-panel",
          "data-tab": key,
          on: { click: () => this.open(key) },
        },
        part.label,
      ),
    );
    this.panel = h("div", { role: "tabpanel", id: "tab-panel", tabindex: "-1" });
    this.list = h(
      "div",
      { role: "tablist", "aria-label": label, class: "tabs", on: { keydown: (event) => this.key(event) } },
      this.buttons,
    );
  }

  /** The part that is open. */
  get current() {
    return this.made.get(this.openKey);
  }

  open(key) {
    if (!(key in this.parts)) key = Object.keys(this.parts)[0];
    if (key === this.openKey) return;
    this.openKey = key;
    for (const button of this.buttons) {
      const selected = button.dataset.tab === key;
      button.setAttribute("aria-selected", String(selected));
      button.setAttribute("tabindex", selected ? "0" : "-1");
    }
    if (!this.made.has(key)) this.made.set(key, this.parts[key].make());
    this.panel.setAttribute("aria-labelledby", `tab-${key}`);
    this.panel.dataset.tab = key;
    put(this.panel, this.current.element);
    this.chosen(key, this.current);
  }

  key(event) {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const at = this.buttons.indexOf(document.activeElement);
    const next = this.buttons[(at + move + this.buttons.length) % this.buttons.length];
    next.focus();
    this.open(next.dataset.tab);
    event.preventDefault();
  }

  end() {
    for (const part of this.made.values()) part.end?.();
  }
}
