/** A campaign as a small form, or as JSON for all there is; what the form does not know stays as it is. */

import { h, put } from "../dom.js";

const STRATEGIES = ["", "adaptive", "parallel", "sequential"];

export class CampaignForm {
  /** `edited()` is called whenever something is changed. */
  constructor(campaign, edited) {
    this.campaign = campaign;
    this.edited = edited;
    this.mode = "form";
    this.known = { types: [], contentTypes: [], outputs: [] };
    this.fields = {
      name: h("input", { id: "campaign-name", autocomplete: "off" }),
      type: h("input", { id: "campaign-type", list: "campaign-types", autocomplete: "off", spellcheck: "false" }),
      deliverables: h("input", {
        id: "campaign-deliverables",
        list: "campaign-outputs",
        autocomplete: "off",
        spellcheck: "false",
        placeholder: "post, pictures",
      }),
      brief: h("textarea", { id: "campaign-brief", rows: "5" }),
      strategy: h(
        "select",
        { id: "campaign-strategy" },
        STRATEGIES.map((name) => h("option", { value: name }, name || "as the planner decides")),
      ),
    };
    this.types = h("datalist", { id: "campaign-types" });
    this.outputs = h("datalist", { id: "campaign-outputs" });
    this.contentTypes = h("div", { class: "checks", role: "group", "aria-label": "Content types" });
    this.contentField = h("div", { class: "field" }, h("span", { class: "label" }, "Content types"), this.contentTypes);
    this.json = h("textarea", {
      id: "campaign-json",
      class: "code",
      rows: "22",
      spellcheck: "false",
      "aria-label": "Campaign as JSON",
    });
    this.modes = ["form", "json"].map((mode) =>
      h(
        "button",
        { type: "button", class: "chip", "data-mode": mode, on: { click: () => this.switch(mode) } },
        mode === "form" ? "Form" : "JSON",
      ),
    );
    this.body = h("div", { class: "form-body" });
    this.element = h(
      "div",
      { on: { input: () => this.edited() } },
      h("div", { class: "chips", role: "group", "aria-label": "Way of editing" }, this.modes),
      this.body,
    );
    this.draw();
  }

  /** Offers what the catalog has. */
  know(catalog) {
    const list = (part) => (Array.isArray(part) ? part : Object.values(part ?? {}));
    const unique = (values) => [...new Set(values.filter(Boolean))].sort();
    const rules = list(catalog.rules);
    this.known = {
      types: unique(rules.map((rule) => rule.when?.campaign_type)),
      contentTypes: unique(rules.map((rule) => rule.when?.content_type)),
      outputs: unique(
        list(catalog.agents).flatMap((agent) => (agent.outputs ?? []).map((output) => output.name ?? output)),
      ),
    };
    put(
      this.types,
      this.known.types.map((name) => h("option", { value: name })),
    );
    put(
      this.outputs,
      this.known.outputs.map((name) => h("option", { value: name })),
    );
    this.drawContentTypes(this.chosenContentTypes());
  }

  /** Shows another campaign. */
  write(campaign) {
    this.campaign = campaign;
    this.draw();
  }

  /**
   * Gives the campaign as it is entered.
   * @throws {Error} the text is not a JSON object
   */
  read() {
    this.campaign = this.mode === "json" ? parsed(this.json.value) : this.fromForm();
    return this.campaign;
  }

  switch(mode) {
    if (mode === this.mode) return;
    try {
      this.read();
      this.mode = mode;
      this.draw();
    } catch (error) {
      this.json.setCustomValidity(error.message);
      this.json.reportValidity();
      this.json.addEventListener("input", () => this.json.setCustomValidity(""), { once: true });
    }
  }

  draw() {
    for (const button of this.modes) button.setAttribute("aria-pressed", String(button.dataset.mode === this.mode));
    if (this.mode === "json") {
      this.json.value = JSON.stringify(this.campaign, null, 2);
      put(this.body, this.json);
      return;
    }
    const { fields, campaign } = this;
    for (const name of ["name", "type", "brief", "strategy"]) fields[name].value = campaign[name] ?? "";
    fields.deliverables.value = (campaign.deliverables ?? []).join(", ");
    this.drawContentTypes(new Set(campaign.content_types ?? []));
    const field = (label, control, hint) =>
      h(
        "div",
        { class: "field" },
        h("label", { for: control.id }, label),
        control,
        hint && h("p", { class: "hint" }, hint),
      );
    put(
      this.body,
      field("Name", fields.name),
      field("Type", fields.type, "The catalog's rules say which agents it needs."),
      this.types,
      this.contentField,
      field(
        "Deliverables",
        fields.deliverables,
        "Products or outputs to produce, separated by commas; type, deliverables, or both.",
      ),
      this.outputs,
      field("Brief", fields.brief, "What is wanted, in words; every agent receives it."),
      field("Strategy", fields.strategy),
    );
  }

  drawContentTypes(chosen) {
    const names = [...new Set([...this.known.contentTypes, ...chosen])];
    this.contentField.hidden = !names.length;
    put(
      this.contentTypes,
      names.map((name) =>
        h(
          "label",
          { class: "check" },
          h("input", { type: "checkbox", value: name, checked: chosen.has(name) }),
          h("span", {}, name),
        ),
      ),
    );
  }

  chosenContentTypes() {
    const boxes = [...this.contentTypes.querySelectorAll("input:checked")];
    return new Set(
      boxes.length || !this.campaign.content_types ? boxes.map((box) => box.value) : this.campaign.content_types,
    );
  }

  fromForm() {
    const { fields } = this;
    const deliverables = fields.deliverables.value
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
    const entered = {
      name: fields.name.value.trim(),
      type: fields.type.value.trim(),
      content_types: [...this.contentTypes.querySelectorAll("input:checked")].map((box) => box.value),
      deliverables,
      brief: fields.brief.value.trim(),
      strategy: fields.strategy.value,
    };
    const campaign = { ...this.campaign };
    for (const [name, given] of Object.entries(entered)) {
      if (given.length) campaign[name] = given;
      else delete campaign[name];
    }
    return campaign;
  }
}

function parsed(text) {
  let campaign;
  try {
    campaign = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`, { cause: error });
  }
  if (campaign === null || typeof campaign !== "object" || Array.isArray(campaign))
    throw new Error('A campaign is a JSON object: {"type": ...}');
  return campaign;
}
