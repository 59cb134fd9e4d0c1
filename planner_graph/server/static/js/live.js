/** Live feeds over WebSocket, which come back by themselves after an interruption and miss nothing. */

import { get, socketAddress } from "./api.js";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8000;
const NO_SIGN_MS = 40000; // the server pings every 15 seconds
const STEADY_MS = 5000; // a connection that held so long was a good one: the next wait is short again

/**
 * A feed. `handlers.state(name)` is told "connecting", "live", "reconnecting" or "ended"; `handlers.frame(frame)` each
 * frame of the server. `path(sequence)` gives the address; `sequence` is the last one seen, null at first.
 */
export class LiveFeed {
  constructor(path, handlers, sequence = null) {
    this.path = path;
    this.handlers = handlers;
    this.sequence = sequence;
    this.tries = 0;
    this.closed = false;
    this.onWake = () => this.wake();
    window.addEventListener("online", this.onWake);
    document.addEventListener("visibilitychange", this.onWake);
    this.connect();
  }

  /** Ends the feed for good. */
  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    window.removeEventListener("online", this.onWake);
    document.removeEventListener("visibilitychange", this.onWake);
    if (this.socket?.readyState === WebSocket.CONNECTING) return; // closed as soon as it is open
    this.socket?.close();
  }

  connect() {
    if (this.closed) return;
    this.handlers.state(this.tries ? "reconnecting" : "connecting");
    const socket = new WebSocket(...socketAddress(this.path(this.sequence)));
    this.socket = socket;
    socket.addEventListener("open", () => this.opened(socket));
    socket.addEventListener("message", (message) => this.receive(socket, message.data));
    socket.addEventListener("close", () => this.lost(socket));
  }

  opened(socket) {
    if (this.closed) socket.close();
    if (socket !== this.socket || this.closed) return;
    this.openedAt = Date.now();
    this.watch(socket);
    this.handlers.state("live");
  }

  receive(socket, text) {
    if (socket !== this.socket || this.closed) return;
    this.watch(socket);
    const frame = JSON.parse(text);
    if (frame.type === "event") {
      if (this.sequence !== null && frame.sequence <= this.sequence) return; // told again
      this.sequence = frame.sequence;
    } else if (frame.type === "snapshot") {
      this.sequence = frame.sequence;
    }
    this.handlers.frame(frame);
    if (frame.type === "end") {
      this.handlers.state("ended");
      this.close();
    }
  }

  /** Takes a server that says nothing for long as lost. */
  watch(socket) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      socket.close();
      this.lost(socket);
    }, NO_SIGN_MS);
  }

  lost(socket) {
    if (socket !== this.socket || this.closed) return;
    this.socket = null;
    clearTimeout(this.watchdog);
    this.tries = this.openedAt && Date.now() - this.openedAt > STEADY_MS ? 1 : this.tries + 1;
    this.openedAt = null;
    this.handlers.state("reconnecting");
    const longest = Math.min(FIRST_WAIT_MS * 2 ** (this.tries - 1), LONGEST_WAIT_MS);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), longest * (0.5 + Math.random() / 2));
  }

  /** Asks over HTTP first, as a refused WebSocket cannot tell why; that also asks for a token if one is needed. */
  async retry() {
    try {
      await get("me");
    } catch (error) {
      if (!this.closed && !this.socket && error.status === 0) this.lost(null);
      if (error.status === 0) return;
    }
    if (!this.closed && !this.socket) this.connect();
  }

  wake() {
    if (this.socket || this.closed || document.hidden) return;
    clearTimeout(this.timer);
    this.retry();
  }
}
