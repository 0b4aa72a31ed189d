// The graph is drawn once; when an input moves, the program runs and its numbers are written in.
import { at, open } from "./common.js";

const nodes = await (await fetch("graph.json")).json(); // in an order in which each follows from earlier ones
const named = Object.fromEntries(nodes.map((x) => [x.name, x]));
const WIDE = 128, HIGH = 64, ACROSS = 60, DOWN = 20, ROUND = 18;

// How deep a node lies, and its row: in the middle of what it is computed from.
let rows = 0;
for (const x of nodes) x.depth = x.of ? 1 + Math.max(...x.of.map((name) => named[name].depth)) : 0;
for (const x of nodes) x.row = x.of ? x.of.reduce((sum, name) => sum + named[name].row, 0) / x.of.length : rows++;

const step = WIDE + ACROSS + 2 * ROUND;
for (const x of nodes) Object.assign(x, { x: 8 + x.depth * step, y: 8 + x.row * (HIGH + DOWN) });

function made(name, attributes, parent, text) {
  const x = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) x.setAttribute(key, value);
  if (text !== undefined) x.textContent = text;
  parent.append(x);
  return x;
}

const svg = at("graph");
svg.setAttribute("viewBox", `0 0 ${16 + WIDE + step * Math.max(...nodes.map((x) => x.depth))} ${16 + rows * (HIGH + DOWN) - DOWN}`);
for (const x of nodes) {
  const middle = x.y + HIGH / 2, sign = x.x - ROUND - 14;
  for (const name of x.of ?? []) {
    const from = named[name], start = from.x + WIDE, y = from.y + HIGH / 2;
    made("path", { class: "edge", d: `M${start} ${y} C${sign - 60} ${y}, ${sign - 60} ${middle}, ${sign - ROUND} ${middle}` }, svg);
  }
  if (x.of) {
    made("path", { class: "edge", d: `M${sign + ROUND} ${middle} H${x.x}` }, svg);
    const round = made("g", { class: "sign" }, svg);
    made("circle", { cx: sign, cy: middle, r: ROUND }, round);
    made("text", { x: sign, y: middle }, round, x.sign);
  }
  const box = made("g", { class: x.of ? "node" : "node input" }, svg), text = (y, kind, words) =>
    made("text", { x: x.x + WIDE / 2, y: x.y + y, class: kind }, box, words);
  made("rect", { x: x.x, y: x.y, width: WIDE, height: HIGH, rx: 6 }, box);
  text(12, "name", x.name);
  x.shown = { value: text(33, "value", ""), grad: text(53, "grad", "") };
}

for (const x of nodes.filter((x) => !x.of)) {
  const label = document.createElement("label"), number = document.createElement("output");
  x.slider = Object.assign(document.createElement("input"),
    { type: "range", min: -8, max: 8, step: 0.01, disabled: true, id: `in-${x.name}` });
  x.slider.value = x.value;
  x.number = number;
  label.append(x.name, x.slider, number);
  at("inputs").append(label);
  x.slider.oninput = () => { x.given = Number(x.slider.value); compute(); };
  x.given = x.value;
}

let m, asked = false, busy = false;

/** Run the program for what the sliders say; what moved meanwhile is computed after it. */
async function compute() {
  asked = true;
  if (busy) return;
  busy = true;
  while (asked) {
    asked = false;
    const inputs = nodes.filter((x) => !x.of);
    const { values, gradients } = await m.run(Object.fromEntries(inputs.map((x) => [x.name, x.given])));
    for (const x of inputs) x.number.textContent = x.given.toFixed(2);
    nodes.forEach(({ shown }, i) => {
      shown.value.textContent = `data ${values[i].toFixed(4)}`;
      shown.grad.textContent = at("grads").checked ? `grad ${gradients[i].toFixed(4)}` : "";
    });
  }
  busy = false;
}

at("grads").onchange = compute;
at("again").onclick = () => {
  for (const x of nodes.filter((x) => !x.of)) x.slider.value = x.given = x.value;
  compute();
};

await open(async (model) => {
  m = model;
  await compute();
});
