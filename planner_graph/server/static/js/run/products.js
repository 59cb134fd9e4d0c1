/** What a run is to give: its products before it has run, what came of them afterwards. */

import { h } from "../dom.js";
import { icon, hasEnded } from "../states.js";

/**
 * A list of the products of a plan, or null if it has none: of each its name, whether the run fails without it, and
 * which agent gives it. `run`, if there is one, tells which are there by now; `opened(name)` opens an agent.
 */
export function productList(plan, { run = null, opened = null } = {}) {
  const products = plan.products?.length ? plan.products : deliverables(plan);
  if (!products.length) return null;
  return h(
    "ul",
    { class: "products", "aria-label": "Products" },
    products.map((product) => line(product, standing(product, run), opened)),
  );
}

/** The products of a plan that was made before there were any: its deliverables. */
function deliverables(plan) {
  return Object.entries(plan.deliverables ?? {}).map(([name, from]) => ({
    name,
    outputs: [name],
    sources: { [name]: from },
    required: true,
  }));
}

/** How a product stands: "planned", "there", "missing", "excused" or "absent". */
function standing(product, run) {
  const result = run?.result;
  if (!run || !hasEnded(run.status) || !result) return "planned";
  if (product.name in (result.deliverables ?? {})) return "there";
  if (names(result.missing).includes(product.name)) return "missing";
  return names(result.excused).includes(product.name) ? "excused" : "absent";
}

/** The names in a list of names, or of objects that have one, or in the keys of an object. */
function names(given) {
  const listed = Array.isArray(given) ? given : Object.keys(given ?? {});
  return listed.map((item) => (typeof item === "string" ? item : item?.name));
}

const ICONS = { planned: "waiting", there: "completed", missing: "failed", excused: "skipped", absent: "skipped" };
const WORDS = {
  planned: "",
  there: "",
  missing: "missing: not made",
  excused: "excused: a rejection skipped it",
  absent: "not made",
};

function line(product, status, opened) {
  const kind = product.main ? "main" : product.required ? "required" : "optional";
  return h(
    "li",
    { "data-product": product.name, "data-standing": status, "data-status": ICONS[status] },
    icon(ICONS[status]),
    h("b", {}, product.name),
    h("span", { class: "product-kind", title: TITLES[kind] }, kind),
    h("span", { class: "muted" }, sources(product, opened)),
    WORDS[status] && h("span", { class: "product-words" }, WORDS[status]),
  );
}

const TITLES = {
  main: "Without it the run has failed.",
  required: "Without it the run is a partial success at best.",
  optional: "The run is complete without it, too.",
};

/** The agents that give a product, best first; an optional one may have none in this plan. */
function sources(product, opened) {
  const from = [...new Set(product.outputs.map((output) => product.sources[output]).filter(Boolean))];
  if (!from.length) return `not in this plan, no agent of it gives ${product.outputs.join(", ")}`;
  return ["from ", ...from.map((name, index) => [index > 0 && ", else ", agent(name, opened)])];
}

function agent(name, opened) {
  if (name === "campaign") return "the campaign";
  if (!opened) return name;
  return h("button", { type: "button", class: "link", on: { click: () => opened(name) } }, name);
}
