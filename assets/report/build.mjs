// Builds plot.min.js and PLOT-LICENSES.txt from the versions in package-lock.json.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const version = (name) => JSON.parse(readFileSync(join("node_modules", name, "package.json"))).version;
const result = await build({
  entryPoints: ["plot.entry.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "Plot",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  write: false,
});
const banner = `/* Observable Plot ${version("@observablehq/plot")}, ISC; with its parts: see PLOT-LICENSES.txt */\n`;
writeFileSync("plot.min.js", banner + result.outputFiles[0].text.trimEnd() + "\n");

// Every package of which some code ended up in the bundle, with its licence text.
const used = Object.entries(Object.values(result.metafile.outputs)[0].inputs).filter(([, input]) => input.bytesInOutput > 0);
const packages = new Set(used.map(([path]) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean));
let text = "plot.min.js is made of these packages. Their licences:\n";
for (const name of [...packages].sort()) {
  const folder = join("node_modules", name);
  const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
  if (!file) throw new Error(`${name} has no licence file`);
  text += `\n==== ${name} ${version(name)}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}
writeFileSync("PLOT-LICENSES.txt", text);
console.log(`plot.min.js: ${result.outputFiles[0].contents.length} bytes from ${packages.size} packages`);
