// The marks that report.js draws with; esbuild leaves the rest of the library out.
export { barY, dot, line, plot, pointer, pointerX, pointerY, raster, ruleX, ruleY, text, tickY, tip } from "@observablehq/plot";
