/** Shows long texts folded: their beginning, and the rest when it is asked for. */

import { h } from "./dom.js";
import { count } from "./format.js";

const LONGEST = 280;
const MOST_LINES = 3;

/** A text, in `tag`; a long one as its first words with the whole of it below, closed. */
export function folded(text, { tag = "span", ...given } = {}) {
  const whole = String(text);
  const begin = beginning(whole);
  if (begin === whole) return h(tag, given, whole);
  return h(
    "details",
    { ...given, class: [given.class, "folded"] },
    h(
      "summary",
      {},
      h("span", { class: "folded-begin" }, `${begin} …`),
      h("span", { class: "folded-more" }, `all ${count(whole.length)} characters`),
    ),
    h("pre", {}, whole),
  );
}

/** As much of a text as stands without being folded. */
function beginning(text) {
  const lines = text.split("\n").slice(0, MOST_LINES).join("\n");
  if (lines.length === text.length && text.length <= LONGEST) return text;
  const cut = lines.slice(0, LONGEST);
  const word = cut.lastIndexOf(" ");
  return cut.length < lines.length && word > LONGEST / 2 ? cut.slice(0, word) : cut;
}
