/**
 * The server's time. The browser's clock may be off by hours; what is shown as passed or left is counted by the
 * server's, which each of its answers tells to the second.
 */

const SECOND = 1000;

let earliest = -Infinity; // bounds of what has to be added to the browser's clock
let latest = Infinity;

/** Takes note of when the server made an answer (its header Date), asked for and received at these browser times. */
export function heard(date, sent, received) {
  const second = Date.parse(date ?? "");
  if (Number.isNaN(second)) return;
  const [low, high] = [second - received, second + SECOND - sent];
  const agrees = low <= latest && high >= earliest;
  earliest = agrees ? Math.max(earliest, low) : low; // else one of the clocks was set meanwhile
  latest = agrees ? Math.min(latest, high) : high;
}

/** The time by the server's clock, in milliseconds; by the browser's as long as that agrees with all answers. */
export function now() {
  const agrees = earliest <= 0 && latest >= 0;
  return Date.now() + (agrees ? 0 : (earliest + latest) / 2);
}
