// Train, and now and then test and write: all that comes from the GPU are the numbers that are shown.
import { at, Curve, open, save, Training } from "./common.js";

const EVERY = 25, PAUSE = 3000; // steps, and milliseconds, from one paper to the next
const PAPERS = 20; // what is kept of what it wrote
const letters = [...await (await fetch("letters.json")).json()];
const curve = new Curve(at("curve"));
let m, start, loss, steps = 0, written = { steps: 0, at: 0 }; // when it wrote last

const heat = () => Number(at("heat").value);
at("heat").oninput = () => { at("degrees").textContent = heat().toFixed(2); };

/** Have it write, and show that. Letters stay on the GPU until the window that they fill is read. */
async function write(windows = 5) {
  let text = "", size = (await m.read("window")).length;
  for (let i = 0; i < windows; i++) {
    for (let n = 0; n < size; n++) m.step("write", { temperature: heat() });
    text += Array.from(await m.read("window"), (n) => letters[n]).join("");
  }
  const head = Object.assign(document.createElement("b"), { textContent: `After ${steps} steps\n` });
  at("paper").prepend(head, `${text}\n\n`);
  while (at("paper").childNodes.length > 2 * PAPERS) at("paper").lastChild.remove();
  written = { steps, at: performance.now() };
}

async function test() {
  const { held } = await m.run("test", {});
  at("held").textContent = held[0].toFixed(3);
}

const training = new Training(at("train"), async (n) => {
  for (let i = 1; i < n; i++) m.step("train", {});
  [loss] = (await m.run("train", {})).loss;
  steps += n;
}, async () => {
  curve.add(loss);
  at("steps").textContent = steps;
  at("loss").textContent = loss.toFixed(3);
  at("rate").textContent = training.speed;
  if (steps < written.steps + EVERY || performance.now() < written.at + PAUSE) return;
  await test();
  await write();
});

at("save").onclick = async () => save(await m.state(), "writer.safetensors");

at("again").onclick = () => training.between(async () => {
  await m.restore(start);
  steps = 0;
  curve.clear();
  for (const id of ["steps", "loss", "rate"]) at(id).textContent = id === "steps" ? 0 : "";
  at("paper").replaceChildren();
  await test();
  await write(1);
});

await open(async (model) => {
  m = model;
  start = await m.state();
  await test();
  await write(1);
});
