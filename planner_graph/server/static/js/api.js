/** Calls the server's HTTP API; errors are its problem details. */

import { heard } from "./clock.js";
import { askForToken, signOut, token } from "./session.js";

const BASE = new URL("api/v2/", document.baseURI);

/** What the server said is wrong: `status`, `title`, `detail`, and the whole `problem`. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** Gives the answer to a GET. */
export const get = (path, options) => call("GET", path, undefined, options);

/** Gives the answer to a POST of JSON. */
export const post = (path, body, options) => call("POST", path, body, options);

/** The path of a run, and of what belongs to it. */
export const runPath = (id, rest = "") => `workflows/${encodeURIComponent(id)}${rest}`;

/** The address of a WebSocket, and the protocols that carry the token. */
export function socketAddress(path) {
  const url = new URL(path, BASE);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const given = token();
  return [url.href, ["planner-graph.v1", ...(given ? [`planner-graph.token.${given}`] : [])]];
}

async function call(method, path, body, { headers = {}, signal, again = false } = {}) {
  const sent = token();
  const response = await reach(new URL(path, BASE), {
    method,
    signal,
    cache: "no-cache",
    headers: {
      Accept: "application/json",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(sent ? { Authorization: `Bearer ${sent}` } : {}),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 401) {
    if (sent && sent === token()) signOut();
    const why = again || sent ? "The server does not accept that token." : "";
    if (!token()) await askForToken(why);
    return call(method, path, body, { headers, signal, again: true });
  }
  const answer = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error; // the page has ended meanwhile; half an answer is none
    return {};
  });
  if (!response.ok) throw new ApiError(response.status, answer ?? {});
  return answer;
}

async function reach(url, options) {
  const sent = Date.now();
  try {
    const response = await fetch(url, options);
    heard(response.headers.get("Date"), sent, Date.now());
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { title: "The server cannot be reached." });
  }
}
