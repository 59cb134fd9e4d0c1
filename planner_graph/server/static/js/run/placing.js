/** Where the agents of a plan go in the picture: at once by level, and better as soon as the worker has an answer. */

export const WIDTH = 170;
export const HEIGHT = 50;
const GAP_X = 38;
const GAP_Y = 18;

/** The edges of a plan as index pairs with their kind, each from the agent that is depended on. */
export function edgesOf(plan) {
  const index = new Map(plan.steps.map((step, at) => [step.agent, at]));
  return plan.steps.flatMap((step, to) =>
    step.dependencies
      .filter((edge) => index.has(edge.agent))
      .map((edge) => ({ from: index.get(edge.agent), to, kind: edge.kind })),
  );
}

/** Places by level, in columns; quick, and good enough until the layout is there. */
export function placesByLevel(plan) {
  const columns = new Map();
  for (const [at, step] of plan.steps.entries()) {
    if (!columns.has(step.level)) columns.set(step.level, []);
    columns.get(step.level).push(at);
  }
  const tallest = Math.max(...[...columns.values()].map((members) => members.length));
  const places = [];
  for (const [level, members] of columns) {
    members.forEach((at, row) => {
      const y = (row + (tallest - members.length) / 2) * (HEIGHT + GAP_Y);
      places[at] = [WIDTH / 2 + 12 + level * (WIDTH + GAP_X), HEIGHT / 2 + 12 + y];
    });
  }
  return places;
}

/** Asks the worker for a layout; `done` gets places and the bends of each edge. Gives a function that gives up. */
export function layOut(plan, edges, done) {
  const worker = new Worker(new URL("./layout.worker.js", import.meta.url), { type: "module" });
  worker.addEventListener("message", ({ data }) => {
    done(data);
    worker.terminate();
  });
  worker.addEventListener("error", () => worker.terminate()); // the places by level stay
  worker.postMessage({
    nodes: plan.steps.length,
    edges: edges.map(({ from, to }) => [from, to]),
    width: WIDTH,
    height: HEIGHT,
    gaps: [GAP_X, GAP_Y],
  });
  return () => worker.terminate();
}
