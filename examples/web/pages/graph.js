// A graph is drawn once; when an input moves, its program runs and the numbers are written in.
import { at, open } from "./common.js";

const graphs = await (await fetch("graph.json")).json(); // nodes in an order in which each follows from earlier ones
const WIDE = 128, HIGH = 64, ACROSS = 60, DOWN = 20, ROUND = 18, STEP = WIDE + ACROSS + 2 * ROUND;
let m, title, nodes;

function made(name, attributes, parent, text) {
  const x = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) x.setAttribute(key, value);
  if (text !== undefined) x.textContent = text;
  parent.append(x);
  return x;
}

/** Say where each node lies: its column by how deep it is, its row by what it is computed from. */
function placed() {
  const named = Object.fromEntries(nodes.map((x) => [x.name, x]));
  let rows = 0;
  for (const x of nodes) {
    x.from = x.of?.map((name) => named[name]);
    const depth = x.of ? 1 + Math.max(...x.from.map((y) => y.depth)) : 0;
    // The longest line goes straight, so that it passes below what lies between.
    const far = x.from?.filter((y) => y.depth === Math.min(...x.from.map((z) => z.depth)));
    const row = far ? far.reduce((sum, y) => sum + y.row, 0) / far.length : rows++;
    Object.assign(x, { depth, row, x: 8 + depth * STEP, y: 8 + row * (HIGH + DOWN) });
  }
  const wide = 16 + WIDE + STEP * Math.max(...nodes.map((x) => x.depth)), high = 16 + rows * (HIGH + DOWN) - DOWN;
  at("graph").setAttribute("viewBox", `0 0 ${wide} ${high}`);
  at("graph").style.width = `${wide}px`;
}

function drawn() {
  const svg = at("graph");
  svg.replaceChildren();
  svg.setAttribute("aria-label", `${title}: ${nodes.filter((x) => x.of).map((x) => `${x.name} is ${x.of.join(` ${x.sign} `)}${x.of.length < 2 ? `, ${x.sign}` : ""}`).join("; ")}`);
  for (const x of nodes) {
    const middle = x.y + HIGH / 2, sign = x.x - ROUND - 14;
    for (const from of x.from ?? []) {
      const start = from.x + WIDE, y = from.y + HIGH / 2;
      made("path", { class: "edge", d: `M${start} ${y} C${sign - 60} ${y}, ${sign - 60} ${middle}, ${sign - ROUND} ${middle}` }, svg);
    }
    if (x.of) {
      made("path", { class: "edge", d: `M${sign + ROUND} ${middle} H${x.x}` }, svg);
      const round = made("g", { class: "sign" }, svg);
      made("circle", { cx: sign, cy: middle, r: ROUND }, round);
      made("text", { x: sign, y: middle }, round, x.sign);
    }
    const box = made("g", { class: x.of ? "node" : "node input" }, svg);
    const text = (y, kind, words) => made("text", { x: x.x + WIDE / 2, y: x.y + y, class: kind }, box, words);
    made("rect", { x: x.x, y: x.y, width: WIDE, height: HIGH, rx: 6 }, box);
    text(12, "name", x.name);
    x.value = text(33, "value", "");
    x.grad = text(53, "grad", "");
  }
}

/** Give each input a slider, which says its gradient as well: the graph may be out of sight. */
function slid() {
  at("inputs").replaceChildren();
  for (const x of nodes.filter((x) => !x.of)) {
    const label = document.createElement("label");
    x.slider = Object.assign(document.createElement("input"), { type: "range", min: -8, max: 8, step: 0.01, value: x.given });
    x.number = document.createElement("output");
    x.slider.oninput = () => { x.given = Number(x.slider.value); compute(); };
    label.append(x.name, x.slider, x.number);
    at("inputs").append(label);
  }
}

let asked = false, busy = false;

/** Run the program for what the sliders say; what moved meanwhile is computed after it. */
async function compute() {
  asked = true;
  if (busy) return;
  busy = true;
  try {
    while (asked) {
      asked = false;
      const shown = nodes, given = shown.filter((x) => !x.of).map((x) => x.given);
      const { values, gradients } = await m.run(title, { inputs: given });
      if (shown !== nodes) continue; // another graph was chosen
      const grads = at("grads").checked;
      nodes.forEach((x, i) => {
        x.value.textContent = `data ${values[i].toFixed(4)}`;
        x.grad.textContent = grads ? `grad ${gradients[i].toFixed(4)}` : "";
        if (x.number) x.number.textContent = values[i].toFixed(2) + (grads ? `, grad ${gradients[i].toFixed(2)}` : "");
      });
      at("out").textContent = `${nodes.at(-1).name} = ${values.at(-1).toFixed(4)}`;
    }
  } finally {
    busy = false;
  }
}

function choose(name, first = graphs[name].map((x) => ({ ...x, given: x.value }))) {
  title = name;
  nodes = first;
  placed();
  drawn();
  slid();
  return compute();
}

for (const name of Object.keys(graphs)) at("which").append(new Option(name));
at("which").onchange = () => choose(at("which").value);
at("again").onclick = () => choose(title);
at("grads").onchange = compute;

await open(async (model) => {
  m = model;
  await choose(at("which").value);
});
