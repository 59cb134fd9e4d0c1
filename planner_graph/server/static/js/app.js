/** The frame of the dashboard: which page is shown, what the top bar says, light or dark. */

import { get } from "./api.js";
import { h, put, s } from "./dom.js";
import { connection, problem } from "./notices.js";
import { setRole, signOut, token } from "./session.js";

const PAGES = [
  [/^#\/runs\/([^/?]+)/, "run", () => import("./pages/run.js")],
  [/^#\/runs/, "runs", () => import("./pages/runs.js")],
  [/^#\/plan/, "plan", () => import("./pages/plan.js")],
  [/^#\/history/, "history", () => import("./pages/history.js")],
];
const THEMES = ["auto", "light", "dark"];
const THEME_SHAPES = {
  auto: ["M8 2.2a5.8 5.8 0 1 0 0 11.6 5.8 5.8 0 0 0 0-11.6", "M8 2.2v11.6", "M10.2 4.6v6.8M12 6v4"],
  light: [
    "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6",
    "M8 1.4v1.8M8 12.8v1.8M1.4 8h1.8M12.8 8h1.8M3.3 3.3l1.3 1.3M11.4 11.4l1.3 1.3M12.7 3.3l-1.3 1.3M4.6 11.4l-1.3 1.3",
  ],
  dark: ["M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8"],
};

let current = null; // {key, page}: what is shown, and its way to follow the address or to end
let turn = 0;

/** Shows what the address names; the same page only follows it. */
async function route() {
  if (!location.hash.startsWith("#/")) {
    if (!current) location.replace("#/runs");
    return;
  }
  const [path, search] = location.hash.split("?");
  const [pattern, name, load] = PAGES.find(([known]) => known.test(path)) ?? PAGES[1];
  const parameter = decodeURIComponent(path.match(pattern)?.[1] ?? "");
  const query = new URLSearchParams(search ?? "");
  const key = `${name} ${parameter}`;
  if (current?.key === key) {
    current.page?.follow?.(query);
    return;
  }
  const mine = ++turn;
  current?.page?.end?.();
  current = { key, page: null };
  connection("idle");
  markLink(name === "run" ? "runs" : name);
  const main = document.getElementById("main");
  try {
    const { show } = await load();
    if (mine !== turn) return;
    put(main);
    current.page = show(main, query, parameter);
    window.scrollTo(0, 0);
  } catch (error) {
    if (mine === turn) put(main, problem(error));
  }
}

function markLink(name) {
  for (const link of document.querySelectorAll("header nav a")) {
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function themeButton() {
  const button = document.getElementById("theme");
  const show = () => {
    const theme = document.documentElement.dataset.theme ?? "auto";
    put(
      button,
      s(
        "svg",
        { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
        THEME_SHAPES[theme].map((d) => s("path", { d })),
      ),
      h("span", { class: "visually-hidden" }, `Colours: ${theme}`),
    );
    button.title = `Colours: ${theme}`;
  };
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    localStorage.setItem("planner-graph.theme", next);
    show();
  });
  show();
}

/** Learns who the reader is, after a token was asked for if one is needed; then the first page is shown. */
async function begin() {
  try {
    const me = await get("me");
    setRole(me.role);
    if (token()) {
      const leave = h(
        "button",
        {
          type: "button",
          class: "quiet who",
          title: "Sign out",
          on: {
            click: () => {
              signOut();
              location.reload();
            },
          },
        },
        `${me.name}, ${me.role}`,
      );
      document.getElementById("theme").before(leave);
    }
  } catch {
    /* the page says what is wrong when it asks for its data */
  }
  window.addEventListener("hashchange", route);
  route();
}

themeButton();
begin();
