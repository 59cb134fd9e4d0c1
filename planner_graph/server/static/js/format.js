/** Writes durations, times, numbers and values for people. */

import { now } from "./clock.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const ONE_LINE = 60; // characters of JSON that need no lines of their own

/** Writes a duration: "0.4 s", "12 s", "3 min 20 s", "2 h 05 min", "3 d 04 h". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const value = Math.max(0, seconds);
  if (value < 9.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return two(whole, MINUTE, "min", 1, "s");
  if (whole < DAY) return two(whole, HOUR, "h", MINUTE, "min");
  return two(whole, DAY, "d", HOUR, "h");
}

function two(whole, large, largeName, small, smallName) {
  const rest = Math.floor((whole % large) / small);
  const first = `${Math.floor(whole / large)} ${largeName}`;
  return rest ? `${first} ${String(rest).padStart(2, "0")} ${smallName}` : first;
}

/** Seconds between two ISO times; the second is the server's now if absent. */
export function secondsBetween(start, end) {
  if (!start) return null;
  return ((end ? Date.parse(end) : now()) - Date.parse(start)) / 1000;
}

/** Writes a time of day, with the date if it is not today. */
export function time(iso, { precise = false } = {}) {
  if (!iso) return "–";
  const at = new Date(iso);
  const clock = at.toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    ...(precise ? { fractionalSecondDigits: 3 } : {}),
  });
  return at.toDateString() === new Date(now()).toDateString() ? clock : `${date(at)} ${clock}`;
}

/** Writes how long ago something was: "just now", "5 min ago", and from two days on the date. */
export function ago(iso) {
  if (!iso) return "–";
  const seconds = secondsBetween(iso);
  if (seconds < 5) return "just now";
  if (seconds < MINUTE) return `${Math.round(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  return date(new Date(iso));
}

function date(at) {
  const pad = (number) => String(number).padStart(2, "0");
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

/** Writes a whole number with thin groups: "12 345". */
export function count(number) {
  if (number === null || number === undefined) return "–";
  return Math.round(number)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** Writes a share of one as a percentage. */
export function percentage(share) {
  return share === null || share === undefined ? "–" : `${Math.floor(share * 100 + 1e-9)} %`;
}

/** Writes an amount of money. */
export function dollars(amount) {
  if (amount === null || amount === undefined) return "–";
  return `$${amount.toFixed(amount !== 0 && amount < 0.1 ? 4 : 2)}`;
}

/** Writes any plain value: texts as they are, the rest as JSON, indented if it is long; cut after `most` characters. */
export function value(given, most = 20000) {
  const line = typeof given === "string" ? given : (JSON.stringify(given) ?? "–");
  const text = typeof given === "string" || line.length <= ONE_LINE ? line : JSON.stringify(given, null, 2);
  return text.length > most ? `${text.slice(0, most)}\n… ${count(text.length - most)} more characters` : text;
}

/** The first digits of a run's id, which are enough to name it. */
export function shortId(id) {
  return String(id).slice(0, 8);
}

/** Writes "1 agent", "3 agents". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
