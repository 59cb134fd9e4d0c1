/** Lays a graph out, away from the page, so that a large one holds nothing up. */

import { Graph, layout } from "../../vendor/dagre/dagre.esm.js";

const LARGE = 120; // from so many agents on, the quicker ranking serves, and the picture is made denser
const ROOM = 1.25; // height of a dense picture, in heights of its fullest column

self.addEventListener("message", ({ data: { nodes, edges, width, height, gaps } }) => {
  const large = nodes >= LARGE;
  const graph = new Graph();
  graph.setGraph({
    rankdir: "LR",
    nodesep: gaps[1],
    ranksep: gaps[0],
    edgesep: 8,
    marginx: 12,
    marginy: 12,
    ranker: large ? "tight-tree" : "network-simplex",
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (let index = 0; index < nodes; index += 1) graph.setNode(String(index), { width, height });
  for (const [from, to] of edges) graph.setEdge(String(from), String(to));
  layout(graph);
  const places = Array.from({ length: nodes }, (_, index) => {
    const { x, y } = graph.node(String(index));
    return [x, y];
  });
  const bends = edges.map(([from, to]) => graph.edge(String(from), String(to)).points.map(({ x, y }) => [x, y]));
  self.postMessage(large ? denser(places, bends, height, gaps[1]) : { places, bends });
});

/**
 * Takes empty height out of a picture: all is moved closer, and in each column agents are kept apart, in their order.
 */
function denser(places, bends, height, gap) {
  const columns = new Map();
  places.forEach(([x], index) => columns.set(x, [...(columns.get(x) ?? []), index]));
  const fullest = Math.max(...[...columns.values()].map((column) => column.length)) * (height + gap);
  const factor = Math.min(1, (fullest * ROOM) / Math.max(...places.map(([, y]) => y)));
  const close = places.map(([x, y]) => [x, y * factor]);
  for (const column of columns.values()) {
    column.sort((a, b) => close[a][1] - close[b][1]);
    apart(
      column.map((index) => close[index]),
      height + gap,
      fullest * ROOM,
    );
  }
  const least = Math.min(...close.map(([, y]) => y)) - height / 2 - 12;
  const moved = ([x, y]) => [x, y - least];
  return { places: close.map(moved), bends: bends.map((points) => points.map(([x, y]) => moved([x, y * factor]))) };
}

/** Moves the points of a column down, and then back up from the end of the picture, until none is too near another. */
function apart(points, distance, end) {
  for (let at = 1; at < points.length; at += 1) points[at][1] = Math.max(points[at][1], points[at - 1][1] + distance);
  let limit = end;
  for (let at = points.length - 1; at >= 0; at -= 1) {
    points[at][1] = Math.min(points[at][1], limit);
    limit = points[at][1] - distance;
  }
}
