/** Asks for confirmation. A dialog ends with the page, and with what it asks about. */

import { h } from "./dom.js";

/**
 * Asks for confirmation; resolves with `{reason}`, or null. Without a `reasonLabel` no reason is asked for.
 *
 * `about` says what is acted on, for example which run. Any navigation closes the dialog, and so does `signal`, as soon
 * as what is asked makes no sense any more; nothing is confirmed then.
 * @param {{title: string, about: Node, says: string, action: string, danger?: boolean, reasonLabel?: string|null,
 *   reasonRequired?: boolean, extra?: Node|Node[], signal?: AbortSignal}} options
 */
export function confirm(options) {
  const { title, about, says, action, danger, reasonLabel = "Reason (optional)", reasonRequired, extra } = options;
  return new Promise((resolve) => {
    const over = new AbortController(); // lets go of all that the dialog listens to
    const reason = h("textarea", { id: "reason", rows: "2", maxlength: "1000", required: Boolean(reasonRequired) });
    const dialog = h(
      "dialog",
      { "aria-labelledby": "confirm-title confirm-about", class: "confirm" },
      h(
        "form",
        { method: "dialog", class: "dialog-form", on: { submit: () => dialog.close("yes") } },
        h("h2", { id: "confirm-title" }, title),
        h("p", { id: "confirm-about", class: "confirm-about" }, about),
        h("p", {}, says),
        extra,
        reasonLabel && [h("label", { for: "reason" }, reasonLabel), reason],
        h(
          "div",
          { class: "dialog-buttons" },
          h("button", { type: "button", on: { click: () => dialog.close("no") } }, "Back"),
          h("button", { type: "submit", class: danger ? "danger" : "primary" }, action),
        ),
      ),
    );
    const end = (confirmed) => {
      if (over.signal.aborted) return;
      over.abort();
      dialog.remove();
      resolve(confirmed ? { reason: reason.value.trim() } : null);
    };
    const leave = () => end(false);
    const { signal } = over;
    dialog.addEventListener("close", () => end(dialog.returnValue === "yes"), { signal });
    for (const event of ["hashchange", "popstate", "pagehide"]) window.addEventListener(event, leave, { signal });
    options.signal?.addEventListener("abort", leave, { signal });
    if (options.signal?.aborted) {
      leave();
      return;
    }
    document.body.append(dialog);
    dialog.showModal();
    if (reasonLabel) reason.focus();
    else dialog.querySelector("[type=submit]").focus();
  });
}
