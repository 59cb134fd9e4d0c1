/** Lays a graph out, away from the page, so that a large one holds nothing up. */

import { Graph, layout } from "../../vendor/dagre/dagre.esm.js";

const LARGE = 120; // from so many agents on, the quicker ranking serves

self.addEventListener("message", ({ data: { nodes, edges, width, height } }) => {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 18, ranksep: 48, edgesep: 8, marginx: 12, marginy: 12,
    ranker: nodes.length < LARGE ? "network-simplex" : "tight-tree" });
  graph.setDefaultEdgeLabel(() => ({}));
  nodes.forEach((_, index) => graph.setNode(String(index), { width, height }));
  for (const [from, to] of edges) graph.setEdge(String(from), String(to));
  layout(graph);
  self.postMessage({
    places: nodes.map((_, index) => { const { x, y } = graph.node(String(index)); return [x, y]; }),
    bends: edges.map(([from, to]) => graph.edge(String(from), String(to)).points.map(({ x, y }) => [x, y])),
  });
});
