/** D3, which puts itself into the global scope. */

import "../vendor/d3/d3.min.js";

export const { axisTop, curveBumpX, curveMonotoneX, line, linkHorizontal, scaleLinear, select, zoom, zoomIdentity } =
  globalThis.d3;
