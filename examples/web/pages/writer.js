// Train, and now and then test and write: all that comes from the GPU are the numbers that are shown.
import { at, Clock, Curve, open, save } from "./common.js";

const AT_ONCE = 8; // steps before the loss is read
const EVERY = 5; // readings before it writes
const PAPERS = 20; // what is kept of what it wrote
const letters = [...await (await fetch("letters.json")).json()];
const curve = new Curve(at("curve")), clock = new Clock();
let m, start, steps = 0, training = false;

const heat = () => Number(at("heat").value);
at("heat").oninput = () => { at("degrees").textContent = heat().toFixed(2); };

/** Have it write, and show that. Letters stay on the GPU until the window that they fill is read. */
async function write(windows = 5) {
  let written = "", size = (await m.read("window")).length;
  for (let i = 0; i < windows; i++) {
    for (let n = 0; n < size; n++) m.step("write", { temperature: heat() });
    written += Array.from(await m.read("window"), (n) => letters[n]).join("");
  }
  const head = Object.assign(document.createElement("b"), { textContent: `After ${steps} steps\n` });
  at("paper").prepend(head, `${written}\n\n`);
  while (at("paper").childNodes.length > 2 * PAPERS) at("paper").lastChild.remove();
}

async function test() {
  const { held } = await m.run("test", {});
  at("held").textContent = held[0].toFixed(3);
}

at("train").onclick = async () => {
  training = !training;
  at("train").textContent = training ? "Pause" : "Learn";
  for (let n = 1; training; n++) {
    const started = performance.now();
    for (let i = 1; i < AT_ONCE; i++) m.step("train", {});
    const { loss } = await m.run("train", {});
    clock.note((performance.now() - started) / AT_ONCE);
    steps += AT_ONCE;
    curve.add(loss[0]);
    at("steps").textContent = steps;
    at("loss").textContent = loss[0].toFixed(3);
    at("rate").textContent = `${clock}`;
    if (n % EVERY === 0) {
      await test();
      await write();
    }
    await new Promise(requestAnimationFrame);
  }
};

at("save").onclick = async () => save(await m.state(), "writer.safetensors");

at("again").onclick = async () => {
  await m.restore(start);
  steps = 0;
  curve.clear();
  at("steps").textContent = "0";
  at("paper").replaceChildren();
  await write(1);
};

await open(async (model) => {
  m = model;
  start = await m.state();
  await test();
  await write(1);
});
