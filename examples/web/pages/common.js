// What all demos do: load the export, tell what is wrong, draw a curve.
import { load, WgradError } from "./model/wgrad.js";

export const at = (id) => document.getElementById(id);

/** Show an error where the page has a place for it. */
export function tell(error) {
  at("error").textContent = error instanceof WgradError ? error.message : `${error}`;
  at("status").textContent = "Stopped.";
}

// Nothing goes wrong unseen.
addEventListener("error", (event) => tell(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => tell(event.reason));

/** Load the model beside the page, say on which GPU it runs, `prepare(model)`, and open what one may press. */
export async function open(prepare) {
  const started = performance.now();
  const m = await load("./model/", {
    progress: (done, of) => { at("status").textContent = `Compiling kernel ${done} of ${of}.`; },
  });
  const { vendor, architecture, description } = m.device.adapterInfo ?? {};
  at("adapter").textContent = description || [vendor, architecture].filter(Boolean).join(" ") || "a GPU";
  await prepare(m);
  at("status").textContent = `Ready after ${Math.round(performance.now() - started)} ms.`;
  for (const x of document.querySelectorAll("button, select, input")) x.disabled = false;
  globalThis.model = m; // for the console
}

/** The milliseconds that something takes, as a mean over the last of them. */
export class Clock {
  constructor() { this.mean = 0; }
  note(ms) { this.mean = this.mean ? 0.9 * this.mean + 0.1 * ms : ms; }
  toString() { return `${this.mean < 10 ? this.mean.toFixed(2) : Math.round(this.mean)} ms a step`; }
}

/** A curve that grows: all points that were added, on a canvas as wide as its place. */
export class Curve {
  constructor(canvas, { from = 0 } = {}) {
    this.canvas = canvas;
    this.from = from; // what the axis holds at least
    this.points = [];
  }

  add(value) {
    if (Number.isFinite(value)) this.points.push(value);
    this.asked ??= requestAnimationFrame(() => this.draw());
  }

  clear() {
    this.points = [];
    this.draw();
  }

  draw() {
    this.asked = undefined;
    const { canvas, points } = this, ratio = devicePixelRatio || 1;
    const width = canvas.width = canvas.clientWidth * ratio, height = canvas.height = canvas.clientHeight * ratio;
    const c = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const low = Math.min(this.from, ...points.slice(-4000)), high = Math.max(low + 1e-6, ...points.slice(-4000));
    const shown = points.slice(-4000), left = 3.2 * 14 * ratio;
    const y = (v) => (height - 12 * ratio) - (height - 24 * ratio) * (v - low) / (high - low);
    c.font = `${12 * ratio}px system-ui`;
    c.fillStyle = style.color;
    for (const v of [low, high]) c.fillText(v.toPrecision(3), 0, y(v) + 4 * ratio);
    c.strokeStyle = style.getPropertyValue("--accent");
    c.lineWidth = 1.5 * ratio;
    c.beginPath();
    shown.forEach((v, i) => c.lineTo(left + (width - left) * (shown.length < 2 ? 0 : i / (shown.length - 1)), y(v)));
    c.stroke();
  }
}

/** Have the browser keep bytes as a file. */
export function save(bytes, name) {
  const a = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([bytes])), download: name });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}
