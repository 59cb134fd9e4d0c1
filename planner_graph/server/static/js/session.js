/** Who the reader is: the access token, kept for this tab only, and the dialog that asks for it. */

import { h } from "./dom.js";

const KEY = "planner-graph.token";
const ROLES = ["viewer", "operator", "admin"];

let asking = null;
let role = "admin";

export const token = () => sessionStorage.getItem(KEY);

/** Remembers the role that the server said this reader has. */
export function setRole(name) {
  role = ROLES.includes(name) ? name : "viewer";
}

/** Whether the reader may do what needs this role; the server decides in the end. */
export const may = (needed) => ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** Forgets the token. */
export function signOut() {
  sessionStorage.removeItem(KEY);
}

/** Asks for a token, once at a time; resolves when one was given. */
export function askForToken(why) {
  asking ??= new Promise((resolve) => {
    const field = h("input", {
      type: "password",
      id: "token",
      name: "token",
      required: true,
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "pg_…",
    });
    const form = h(
      "form",
      { method: "dialog", class: "dialog-form" },
      h("h2", { id: "token-title" }, "Access token"),
      h("p", { class: "muted" }, why || "This server asks for a token."),
      h("label", { for: "token" }, "Token"),
      field,
      h(
        "p",
        { class: "hint" },
        "Made with ",
        h("code", {}, "planner-graph token create NAME --role operator"),
        ". It is kept until this tab is closed.",
      ),
      h("div", { class: "dialog-buttons" }, h("button", { class: "primary", type: "submit" }, "Sign in")),
    );
    const dialog = h(
      "dialog",
      { "aria-labelledby": "token-title", id: "token-dialog", on: { cancel: (event) => event.preventDefault() } },
      form,
    );
    form.addEventListener("submit", () => {
      sessionStorage.setItem(KEY, field.value.trim());
      asking = null;
      dialog.remove();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
    field.focus();
  });
  return asking;
}
