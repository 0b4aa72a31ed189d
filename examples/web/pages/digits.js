// Draw a digit, see it read, and train on your own strokes.
import { at, Curve, open, save, tell, Training } from "./common.js";

const SIDE = 8, PIXELS = SIDE * SIDE, FINE = 32; // as the examples were made: 4 x 4 dots a shade
const LIT = 24; // how large the digit is made, in dots of FINE, as the examples are

let m, start; // the model, when it is there, and its state as Python left it
const pad = at("pad"), ink = pad.getContext("2d", { willReadFrequently: true });
const bars = Array.from({ length: 10 }, (_, digit) => {
  const bar = Object.assign(document.createElement("div"), { className: "bar" });
  const meter = document.createElement("meter"), share = document.createElement("span");
  meter.setAttribute("aria-label", `Probability of ${digit}`);
  bar.append(String(digit), meter, share);
  at("bars").append(bar);
  return { bar, meter, share };
});
for (let digit = 0; digit < 10; digit++) {
  const button = Object.assign(document.createElement("button"), { textContent: digit, disabled: true });
  button.onclick = () => teach(digit);
  at("labels").append(button);
}

// Drawing.

let lines = []; // of points in dots of the pad
pad.onpointerdown = (event) => {
  if (!event.isPrimary || event.button) return; // a second finger draws nothing
  pad.setPointerCapture(event.pointerId);
  lines.push([point(event)]);
  drawn();
};
pad.onpointermove = (event) => {
  if (!event.isPrimary || !event.buttons || !lines.length) return;
  lines.at(-1).push(point(event));
  drawn();
};
at("clear").onclick = () => { lines = []; drawn(); };

// By keys: a pen that arrows move, and that draws unless Shift is held.
let pen = [160, 80], down = false;
pad.onkeydown = (event) => {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (event.key === "Delete" || event.key === "Backspace") at("clear").click();
  if (!way) return;
  event.preventDefault();
  if (!event.shiftKey && !down) lines.push([pen]);
  down = !event.shiftKey;
  pen = pen.map((x, axis) => Math.min(300, Math.max(20, x + 20 * way[axis])));
  if (down) lines.at(-1).push(pen);
  drawn();
};
pad.onfocus = pad.onblur = () => { down = false; drawn(); };

function point(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * pad.width, (event.clientY - box.top) / box.height * pad.height];
}

function stroked(c, width, place = (x) => x) {
  Object.assign(c, { lineWidth: width, lineCap: "round", lineJoin: "round" });
  for (const line of lines) {
    c.beginPath();
    line.map(place).forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
    if (line.length === 1) c.lineTo(...place(line[0]));
    c.stroke();
  }
}

/** The shades that the network reads: the strokes scaled and centred, as the examples are. */
function shades() {
  const all = lines.flat(), c = new OffscreenCanvas(FINE, FINE).getContext("2d");
  const ends = (axis) => [Math.min(...all.map((p) => p[axis])), Math.max(...all.map((p) => p[axis]))];
  const [left, right] = ends(0), [top, bottom] = ends(1);
  const scale = LIT / Math.max(right - left, bottom - top, 24);
  const middle = ([x, y]) => [(x - (left + right) / 2) * scale + FINE / 2, (y - (top + bottom) / 2) * scale + FINE / 2];
  stroked(c, 3.6, middle);
  const dots = c.getImageData(0, 0, FINE, FINE).data, out = new Float32Array(PIXELS), block = FINE / SIDE;
  for (let y = 0; y < FINE; y++) {
    for (let x = 0; x < FINE; x++) {
      out[Math.floor(y / block) * SIDE + Math.floor(x / block)] += dots[4 * (y * FINE + x) + 3] / 255 / block ** 2;
    }
  }
  return out;
}

function show(canvas, values) {
  const image = new ImageData(SIDE, SIDE);
  values.forEach((v, i) => image.data.set([0, 0, 0, 255 * v], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

let asked = false, busy = false;
function drawn() {
  ink.clearRect(0, 0, pad.width, pad.height);
  stroked(ink, 22);
  if (pad.matches(":focus-visible")) { // where the pen of the keys is
    ink.beginPath();
    ink.lineWidth = 2;
    ink.arc(...pen, 14, 0, 7);
    ink.stroke();
  }
  show(at("seen"), lines.length ? shades() : new Float32Array(PIXELS));
  read();
}

/** Read the drawing; what was drawn meanwhile is read after it. */
async function read() {
  asked = true;
  if (busy || !m) return;
  busy = true;
  while (asked) {
    asked = false;
    const given = lines.length > 0;
    const { probabilities } = given ? await m.run("predict", { x: shades() }) : { probabilities: new Float32Array(10) };
    const best = probabilities.indexOf(Math.max(...probabilities));
    const answer = given ? String(best) : "nothing yet";
    if (at("answer").textContent !== answer) at("answer").textContent = answer; // which is read out
    bars.forEach(({ bar, meter, share }, digit) => {
      meter.value = probabilities[digit];
      share.textContent = given ? `${(100 * probabilities[digit]).toFixed(1)}\u00a0%` : "";
      bar.classList.toggle("best", given && digit === best);
    });
  }
  busy = false;
}

// Teaching.

const examples = new Uint8Array(await (await fetch("digits.bin")).arrayBuffer());
const count = examples.length / (PIXELS + 1);
let mine = []; // what was drawn here: {shades, label}

function teach(label) {
  if (!lines.length) return tell("Draw a digit first, then say which it was.");
  mine.push({ shades: shades(), label });
  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE, title: label, className: "shades" });
  small.role = "img";
  small.ariaLabel = `Your ${label}`;
  show(small, mine.at(-1).shades);
  at("strokes").append(small);
  at("count").textContent = `${mine.length} of your strokes: half of each batch is drawn from them. Press Train, and draw another.`;
  lines = [];
  drawn();
}

const any = (n) => Math.floor(Math.random() * n);
function batch({ inputs: [{ shape: [rows] }] }) {
  const x = new Float32Array(rows * PIXELS), y = new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    if (mine.length && i % 2) {
      const chosen = mine[any(mine.length)];
      x.set(chosen.shades, i * PIXELS);
      y[i] = chosen.label;
    } else {
      const start = any(count) * (PIXELS + 1);
      for (let k = 0; k < PIXELS; k++) x[i * PIXELS + k] = examples[start + k] / 16;
      y[i] = examples[start + PIXELS];
    }
  }
  return { x, y };
}

const curve = new Curve(at("curve"));
let steps = 0, loss;
const training = new Training(at("train"), async (n) => {
  for (let i = 1; i < n; i++) m.step("train", batch(m.programs.train));
  [loss] = (await m.run("train", batch(m.programs.train))).loss; // one reading for all
  steps += n;
}, () => {
  curve.add(loss);
  at("rate").textContent = `${steps} steps here, loss ${loss.toFixed(3)}, ${training.speed}`;
  return read();
});

at("forget").onclick = () => training.between(async () => {
  await m.restore(start);
  mine = [];
  steps = 0;
  at("strokes").replaceChildren();
  at("count").textContent = "Your strokes are forgotten, and the network is as Python left it.";
  at("rate").textContent = "";
  curve.clear();
  await read();
});
at("save").onclick = async () => save(await m.state(), "digits.safetensors");
at("load").onchange = () => training.between(async () => {
  const [file] = at("load").files;
  if (!file) return;
  try {
    await m.restore(new Uint8Array(await file.arrayBuffer()));
    at("count").textContent = `The network is that of ${file.name}.`;
  } catch (error) {
    tell(`${file.name} holds no state of this network: ${error.message}.`);
  }
  at("load").value = "";
  await read();
});

await open(async (model) => {
  m = model;
  start = await m.state();
  drawn();
});
