// What all demos do: load the export, tell what is wrong, train in bursts, draw a curve.
import { load, WgradError } from "./model/wgrad.js";

export const at = (id) => document.getElementById(id);

/** Say what is wrong, where the page has a place for it; what is pressed next clears it. */
export function tell(error) {
  at("error").textContent = error instanceof WgradError || !(error instanceof Error) ? error?.message ?? error : `${error}`;
}
for (const kind of ["click", "keydown", "pointerdown"]) {
  document.addEventListener(kind, () => globalThis.model && tell(""), true);
}

// Nothing goes wrong unseen.
function stopped(error) {
  tell(error);
  at("status").textContent = "Stopped.";
}
addEventListener("error", (event) => stopped(event.error ?? event.message));
addEventListener("unhandledrejection", (event) => stopped(event.reason));

/** Load the model beside the page, say on which GPU it runs, `prepare(model)`, and open what one may press. */
export async function open(prepare) {
  const started = performance.now();
  const m = await load("./model/", {
    progress: (done, of) => { at("status").textContent = `Compiling: ${done} of ${of} kernels.`; },
  });
  const { vendor, architecture, description } = m.device.adapterInfo ?? {};
  const name = description || [vendor, architecture].filter(Boolean).join(" ");
  at("adapter").textContent = name || "your GPU";
  await prepare(m);
  const slow = /swiftshader|llvmpipe|warp/i.test(name) ? " Here software stands in for a GPU, so all is slower." : "";
  at("status").textContent = `Ready after ${((performance.now() - started) / 1000).toFixed(1)} s.${slow}`;
  for (const x of document.querySelectorAll("button, select, input")) x.disabled = false;
  globalThis.model = m; // for the console
}

/** Training that a button starts and pauses, in bursts that leave the page time to answer. */
export class Training {
  /** `steps(n)` takes n of them, and waits for the last; then `show()` shows what came of it. */
  constructor(button, steps, show) {
    Object.assign(this, { button, steps, show, word: button.textContent, wanted: false, ms: 0 });
    button.onclick = () => this.turn(!this.wanted);
  }

  turn(wanted) {
    this.wanted = wanted;
    this.button.textContent = wanted ? "Pause" : this.word;
    if (wanted) this.running ??= this.run().finally(() => { this.running = undefined; });
  }

  async run() {
    try {
      for (let n = 1; this.wanted;) {
        const started = performance.now();
        await this.steps(n);
        const ms = performance.now() - started;
        this.ms = this.ms ? 0.9 * this.ms + 0.1 * ms / n : ms / n;
        await this.show();
        if (ms < 50) n = Math.min(2 * n, 64);
        if (ms > 200) n = Math.ceil(n / 2);
        await new Promise(requestAnimationFrame);
      }
    } finally {
      if (this.wanted) this.turn(false); // an error ended it
    }
  }

  /** Do something between two bursts. */
  async between(action) {
    const { wanted } = this;
    this.turn(false);
    await this.running;
    await action();
    if (wanted) this.turn(true);
  }

  get speed() {
    return `${this.ms < 10 ? this.ms.toFixed(2) : Math.round(this.ms)} ms a step`;
  }
}

/** A curve of all numbers that were added: where they are many, each point is the mean of several. */
export class Curve {
  constructor(canvas) {
    this.canvas = canvas;
    this.label = canvas.getAttribute("aria-label");
    this.clear();
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  add(value) {
    if (!Number.isFinite(value)) return;
    this.rest.push(value);
    if (this.rest.length < this.each) return;
    this.points.push(this.rest.splice(0).reduce((sum, v) => sum + v) / this.each);
    if (this.points.length >= 400) {
      this.points = this.points.flatMap((v, i, all) => (i % 2 ? [(all[i - 1] + v) / 2] : []));
      this.each *= 2;
    }
    this.draw();
  }

  clear() {
    Object.assign(this, { points: [], rest: [], each: 1 });
    this.draw();
  }

  draw() {
    const { canvas, points } = this, ratio = devicePixelRatio || 1;
    const width = canvas.width = canvas.clientWidth * ratio, height = canvas.height = canvas.clientHeight * ratio;
    canvas.setAttribute("aria-label", points.length ? `${this.label}, now ${points.at(-1).toPrecision(3)}` : this.label);
    if (!points.length) return;
    const c = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const low = Math.min(0, ...points), high = Math.max(low + 1e-6, ...points), left = 48 * ratio;
    const y = (v) => (height - 12 * ratio) - (height - 24 * ratio) * (v - low) / (high - low);
    c.font = `${12 * ratio}px system-ui`;
    c.fillStyle = style.color;
    for (const v of [low, high]) c.fillText(v.toPrecision(3), 0, y(v) + 4 * ratio);
    c.strokeStyle = style.stroke; // which the style sheet gives in the colours of day and night
    c.lineWidth = 2 * ratio;
    c.lineJoin = "round";
    c.beginPath();
    points.forEach((v, i) => c.lineTo(left + (width - left - c.lineWidth) * i / Math.max(1, points.length - 1), y(v)));
    c.stroke();
  }
}

/** Have the browser keep bytes as a file. */
export function save(bytes, name) {
  const a = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([bytes])), download: name });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}
