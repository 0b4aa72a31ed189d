// The graph is data: NODES in an order in which each follows from earlier ones, and OPS, which says
// of each operation its value and its slopes. What follows interprets it.

const count = NODES.length;
const inputs = NODES.flatMap((node, i) => node.kind === "input" ? [i] : []);
const uses = NODES.flatMap((node, i) => node.kind === "operation" ? [i] : []);

// The value of an argument: another node's, or a number that stands in the operation itself.
const read = (values, arg) => typeof arg === "number" ? values[arg] : arg.number;

function evaluate(given) {
  const values = NODES.map((node, i) => given[i] ?? node.value);
  for (const i of uses) {
    const {op, args} = NODES[i];
    values[i] = OPS[op].value(args.map((x) => read(values, x)));
  }
  return values;
}

function slope(values, i, place) {
  const {op, args} = NODES[i];
  return OPS[op].slope(args.map((x) => read(values, x)), values[i], place);
}

// What does not count gets no derivative, also where a slope is infinite.
const times = (a, b) => a === 0 || b === 0 ? 0 : a * b;

// Forward mode: beside each value goes its derivative by one input. `until` operations have run.
function tangents(values, seed, until = uses.length) {
  const found = new Array(count).fill(0);
  found[seed] = 1;
  for (const i of uses.slice(0, until)) {
    NODES[i].args.forEach((x, place) => {
      if (typeof x === "number") found[i] += times(found[x], slope(values, i, place));
    });
  }
  return found;
}

// Reverse mode: from the end, each operation gives its inputs their share. `until` of them have.
function gradients(values, until = uses.length) {
  const found = new Array(count).fill(0);
  found[ROOT] = 1;
  for (const i of uses.toReversed().slice(0, until)) {
    NODES[i].args.forEach((x, place) => {
      if (typeof x === "number") found[x] += times(found[i], slope(values, i, place));
    });
  }
  return found;
}

// The page.
const at = (id) => document.getElementById(id);
const state = {mode: "all", step: 0, grads: true, seed: inputs[0], given: {}, timer: 0};
const box = NODES.map((_, i) => at(`v${i}`));
const ellipse = NODES.map((_, i) => at(`o${i}`));

function figure(x) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  if (x === 0 || (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5)) {
    const text = x.toFixed(4);
    return text === "-0.0000" ? "0.0000" : text;
  }
  return x.toExponential(3);
}

const nameOf = (i) => NODES[i].label || `#${i}`;

function draw() {
  const values = evaluate(state.given);
  const {mode, step} = state;
  const current = mode === "forward" ? uses[step - 1]
    : mode === "reverse" ? uses[uses.length - step] : undefined;
  const slopes = mode === "forward" ? tangents(values, state.seed, step)
    : gradients(values, mode === "reverse" ? step : uses.length);
  const known = new Set(mode === "forward" ? uses.slice(step) : []);  // not computed yet
  const reached = new Set([ROOT]);  // by the reverse pass
  uses.toReversed().slice(0, step).forEach((i) => NODES[i].args.forEach((x) => reached.add(x)));
  const near = new Set(current === undefined ? [] : [current, ...NODES[current].args]);
  NODES.forEach((node, i) => {
    const later = known.has(i);
    const bare = later || (mode === "reverse" && !reached.has(i));
    const word = mode === "forward" ? "tangent" : "grad";
    if (box[i]) {
      at(`v${i}-data`).textContent = later ? "" : `data ${figure(values[i])}`;
      at(`v${i}-grad`).textContent = bare ? "" : `${word} ${figure(slopes[i])}`;
      box[i].classList.toggle("faint", later);
      box[i].classList.toggle("near", near.has(i));
    }
    if (ellipse[i]) {
      ellipse[i].classList.toggle("now", i === current);
      ellipse[i].classList.toggle("faint", later);
    }
  });
  EDGES.forEach((i, edge) => at(`edge-${edge}`).classList.toggle("now", i === current));
  document.body.classList.toggle("plain", mode === "all" && !state.grads);
  document.body.classList.toggle("tangents", mode === "forward");
  for (const name of ["all", "forward", "reverse"]) {
    at(`mode-${name}`).setAttribute("aria-pressed", String(name === mode));
  }
  at("steps").hidden = mode === "all";
  at("show").hidden = mode !== "all";
  at("seeded").hidden = mode !== "forward";
  at("at").textContent = `step ${step} of ${uses.length}`;
  at("first").disabled = at("previous").disabled = step === 0;
  at("next").disabled = step === uses.length;
  at("play").textContent = state.timer ? "Pause" : "Play";
  tell(values, slopes, current);
}

function element(name, text, kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
}

function table(head, rows) {
  const made = document.createElement("table");
  for (const [name, cells] of [["th", head], ...rows.map((row) => ["td", row])]) {
    const line = made.insertRow();
    cells.forEach((text, j) => line.append(
      element(name, text, name === "td" && j === cells.length - 1 ? "moved" : "")));
  }
  return made;
}

// What the current step does, with its rule and its numbers.
function tell(values, slopes, current) {
  const told = at("told");
  const root = `${nameOf(ROOT)} = ${figure(values[ROOT])}`;
  if (state.mode === "all") {
    const rows = inputs.map((i) => [nameOf(i), figure(values[i]), figure(slopes[i])]);
    told.replaceChildren(element("code", root),
      table(["input", "value", `d ${nameOf(ROOT)} / d input`], state.grads ? rows : []));
    return;
  }
  if (current === undefined) {
    told.replaceChildren(element("p", state.mode === "forward"
      ? `Each value carries its derivative by ${nameOf(state.seed)}: that of itself is 1, that of `
        + "the other inputs 0. One pass gives one column."
      : `The derivative of ${nameOf(ROOT)} by itself is 1. From here each operation hands its `
        + "inputs their share; one pass gives them all."));
    return;
  }
  const {op, args} = NODES[current];
  const forward = state.mode === "forward";
  const rows = args.flatMap((x, place) => {
    if (typeof x !== "number") return [];
    const s = slope(values, current, place);
    const carried = forward ? slopes[x] : slopes[current];
    return [[nameOf(x), OPS[op].told(place), figure(s),
      `${figure(carried)} * ${figure(s)} = ${figure(times(carried, s))}`]];
  });
  const letters = args.map((x, place) => `${"abcd"[place] ?? `x[${place}]`} = `
    + (typeof x === "number" ? nameOf(x) : figure(x.number))).slice(0, 4).join(", ");
  const end = forward ? `, tangent ${figure(slopes[current])}` : `, grad ${figure(slopes[current])}`;
  told.replaceChildren(
    element("code", `${nameOf(current)} = ${OPS[op].shown} = ${figure(values[current])}${end}`),
    element("p", `where ${letters}`),
    table(["input", "slope", "", forward ? "adds to the tangent" : "adds to its grad"], rows));
}

function move(step) {
  state.step = Math.max(0, Math.min(uses.length, step));
  if (state.step === uses.length) stop();
  draw();
  document.querySelector("svg .op.now")?.scrollIntoView({block: "nearest", inline: "center"});
}

function stop() {
  clearInterval(state.timer);
  state.timer = 0;
}

function choose(mode) {
  stop();
  state.mode = mode;
  state.step = 0;
  draw();
}

// Inputs are moved by slider, by number, and by set({a: 3}).
const controls = new Map();

function give(i, value) {
  state.given[i] = value;
  const {slider, field} = controls.get(i);
  if (value < Number(slider.min)) slider.min = value;
  if (value > Number(slider.max)) slider.max = value;
  if (Number(slider.value) !== value) slider.value = value;
  if (Number(field.value) !== value || field.value === "") field.value = value;
}

for (const i of inputs) {
  const node = NODES[i];
  const reach = Math.max(3, 2 * Math.abs(node.value));
  const line = element("div", "", "input");
  const slider = Object.assign(document.createElement("input"),
    {type: "range", min: -reach, max: reach, step: "any", id: `slider-${i}`});
  const field = Object.assign(document.createElement("input"),
    {type: "number", step: "any", id: `field-${i}`});
  slider.setAttribute("aria-label", node.label);
  field.setAttribute("aria-label", `${node.label}, as a number`);
  controls.set(i, {slider, field});
  slider.addEventListener("input", () => { give(i, Number(slider.value)); draw(); });
  field.addEventListener("input", () => {
    if (field.value === "" || !Number.isFinite(Number(field.value))) return;
    give(i, Number(field.value));
    draw();
  });
  line.append(element("code", node.label), slider, field);
  at("inputs").append(line);
  give(i, node.value);
  at("seed").append(Object.assign(element("option", node.label), {value: i}));
}
at("seed").addEventListener("change", () => { state.seed = Number(at("seed").value); draw(); });
at("grads").addEventListener("change", () => { state.grads = at("grads").checked; draw(); });
for (const mode of ["all", "forward", "reverse"]) {
  at(`mode-${mode}`).addEventListener("click", () => choose(mode));
}
at("first").addEventListener("click", () => { stop(); move(0); });
at("previous").addEventListener("click", () => { stop(); move(state.step - 1); });
at("next").addEventListener("click", () => { stop(); move(state.step + 1); });
at("play").addEventListener("click", () => {
  if (state.timer) { stop(); draw(); return; }
  if (state.step === uses.length) state.step = 0;
  state.timer = setInterval(() => move(state.step + 1), 900);
  move(state.step + 1);
});

// For other scripts, and for links: #set=a:3;b:-1 moves inputs, #mode=reverse;step:2 starts a pass.
function set(named) {
  for (const [name, value] of Object.entries(named)) {
    const i = inputs.find((j) => NODES[j].label === name);
    if (i === undefined) throw new Error(`no input is named ${name}`);
    give(i, value);
  }
  draw();
}

window.wgrad = {
  set,
  labels: NODES.map((node) => node.label),
  values: () => evaluate(state.given),
  gradients: () => gradients(evaluate(state.given)),
  tangents: (name) => tangents(evaluate(state.given),
    inputs.find((j) => NODES[j].label === name)),
};

for (const part of decodeURIComponent(location.hash.slice(1)).split("&")) {
  const [what, text] = part.split("=");
  if (what === "set" && text) {
    set(Object.fromEntries(text.split(";").map((x) => {
      const [name, value] = x.split(":");
      return [name, Number(value)];
    })));
  }
  if (what === "mode" && ["all", "forward", "reverse"].includes(text)) choose(text);
  if (what === "step" && text) move(Number(text));
}
draw();
