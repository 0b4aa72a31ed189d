// Fit Gaussians to a picture: it goes to the GPU with each step, and what they make comes back now and then.
import { at, Curve, open, save, tell, Training } from "./common.js";

const curve = new Curve(at("curve"));
let m, start, side, target, steps = 0;

/** Take a picture over: its middle square, as many pixels as the Gaussians are fitted at. */
function take(source, width, height) {
  const c = at("target").getContext("2d", { willReadFrequently: true }), cut = Math.min(width, height);
  Object.assign(c.canvas, { width: side, height: side });
  c.drawImage(source, (width - cut) / 2, (height - cut) / 2, cut, cut, 0, 0, side, side);
  const { data } = c.getImageData(0, 0, side, side);
  target = Float32Array.from({ length: 3 * side * side }, (_, i) => data[4 * Math.floor(i / 3) + i % 3] / 255);
}

/** The picture of the first visit: a sun over hills. */
function scene() {
  const c = new OffscreenCanvas(256, 256).getContext("2d"), sky = c.createLinearGradient(0, 0, 0, 256);
  sky.addColorStop(0, "#27408b");
  sky.addColorStop(0.7, "#ff9a5a");
  c.fillStyle = sky;
  c.fillRect(0, 0, 256, 256);
  const spot = (x, y, rx, ry, colour) => {
    c.fillStyle = colour;
    c.beginPath();
    c.ellipse(x, y, rx, ry, 0, 0, 7);
    c.fill();
  };
  spot(170, 110, 34, 34, "#fff1b8");
  spot(60, 270, 150, 100, "#3a7d44");
  spot(220, 280, 130, 90, "#1f5130");
  spot(60, 60, 40, 12, "#f4f4fa");
  spot(90, 68, 34, 10, "#f4f4fa");
  return c.canvas;
}

async function fetched(file) {
  try {
    const image = await createImageBitmap(file);
    take(image, image.width, image.height);
    at("target").ariaLabel = `The picture to fit: ${file.name}`;
    curve.clear();
    await show();
  } catch {
    tell(`${file.name} is no picture that this browser reads.`);
  }
}

/** Draw what the Gaussians make, and say how like the picture it is. */
async function show() {
  const { picture } = await m.run("draw", {});
  const image = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    image.data.set([255 * picture[3 * i], 255 * picture[3 * i + 1], 255 * picture[3 * i + 2], 255], 4 * i);
  }
  const canvas = Object.assign(at("fitted"), { width: side, height: side });
  canvas.getContext("2d").putImageData(image, 0, 0);
  const error = picture.reduce((sum, x, i) => sum + (x - target[i]) ** 2, 0) / picture.length;
  const likeness = -10 * Math.log10(error);
  if (steps) curve.add(likeness);
  at("steps").textContent = steps;
  at("likeness").textContent = `${likeness.toFixed(1)} dB`;
  at("rate").textContent = steps ? training.speed : "";
}

const training = new Training(at("train"), async (n) => {
  for (let i = 1; i < n; i++) m.step("train", { target });
  await m.run("train", { target });
  steps += n;
}, show);
at("save").onclick = async () => save(await m.state(), "splats.safetensors");
at("file").onchange = async () => {
  const [file] = at("file").files;
  if (file) await training.between(() => fetched(file));
  at("file").value = "";
};
document.ondragover = (event) => { event.preventDefault(); at("target").classList.add("over"); };
document.ondragleave = (event) => { if (!event.relatedTarget) at("target").classList.remove("over"); };
document.ondrop = (event) => {
  event.preventDefault();
  at("target").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file && m) training.between(() => fetched(file));
};

at("again").onclick = () => training.between(async () => {
  await m.restore(start);
  steps = 0;
  curve.clear();
  await show();
});

await open(async (model) => {
  m = model;
  start = await m.state();
  side = Math.sqrt(m.programs.draw.outputs[0].shape[0]);
  take(scene(), 256, 256);
  await show();
});
