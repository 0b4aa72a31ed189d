/**
 * Runs programs that wgrad exported, on WebGPU. No dependency, no build.
 *
 *   const m = await load("folder/");
 *   const { loss } = await m.run("train", { x, y });   // or m.step(...), and m.read("loss") later
 *   const bytes = await m.state();                     // what wg.load reads
 *
 * @typedef {Float32Array | Int32Array | Uint32Array | Uint8Array} Values
 * @typedef {{name: string, dtype: string, shape: number[]}} About
 * @typedef {Record<string, number | ArrayLike<number | boolean>>} Inputs
 * @typedef {{pipeline: GPUComputePipeline, group: GPUBindGroup, groups: number[], runs?: number}} Launch
 */

/** What is wrong, in one sentence. */
export class WgradError extends Error {
  name = "WgradError";
}

const CODES = { float32: "F32", int32: "I32", uint32: "U32", bool: "BOOL" };
const ARRAYS = { float32: Float32Array, int32: Int32Array, uint32: Uint32Array, bool: Uint32Array };
const SEEN = { ...ARRAYS, bool: Uint8Array }; // what a page is given
const STREAMS = "wgrad_streams"; // of a file's metadata: random streams that are not in the state
const NOTES = 100; // the binding of what loops note that did not end
const up = (/** @type {number} */ n, /** @type {number} */ to) => Math.ceil(n / to) * to;
const count = (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b, 1);
const fail = (/** @type {string} */ text) => { throw new WgradError(text); };

/**
 * Load an export: the URL of its folder, or {files: {name: base64 or bytes}}.
 * `device` is one of your own; without it, one is asked for.
 * @param {string | URL | {files: Record<string, string | Uint8Array>}} source
 * @param {{device?: GPUDevice, progress?: (done: number, of: number) => void}} [options]
 * @returns {Promise<Model>}
 */
export async function load(source, { device, progress } = {}) {
  const text = new TextDecoder().decode(await bytesOf(source, "program.json"));
  const parts = /^\{"sha256":"([0-9a-f]{64})","content":(.*)\}$/s.exec(text);
  if (!parts) fail("program.json is cut off, or no export of wgrad");
  if ((await sha256(new TextEncoder().encode(parts[2]))) !== parts[1]) {
    fail("program.json is not as it was exported: its checksum differs");
  }
  const content = JSON.parse(parts[2]);
  if (content.format !== "wgrad page" || content.version !== 1) {
    fail(`version ${content.version} of the format came, and this wgrad.js reads version 1`);
  }
  /** @type {Record<string, Uint8Array>} */
  const files = {};
  const wanted = Object.keys(content.files).filter((x) => /\.(wgsl|safetensors)$/.test(x));
  await Promise.all(wanted.map(async (name) => {
    const { bytes, sha256: sum } = content.files[name], data = await bytesOf(source, name);
    if (data.length !== bytes) fail(`${name} has ${data.length} bytes, and ${bytes} were exported`);
    if ((await sha256(data)) !== sum) fail(`${name} is not as it was exported: its checksum differs`);
    files[name] = data;
  }));
  const gpu = device ?? await open(content.limits);
  for (const [name, least] of Object.entries(content.limits)) enough(gpu.limits, name, least);
  const model = new Model(content, files, gpu);
  await model._build(progress ?? (() => {}));
  return model;
}

/** @returns {Promise<Uint8Array>} */
async function bytesOf(source, name) {
  if (source?.files) {
    const data = source.files[name] ?? fail(`${name} is missing in the export`);
    return typeof data === "string" ? Uint8Array.from(atob(data), (c) => c.charCodeAt(0)) : data;
  }
  const base = new URL(String(source).replace(/\/?$/, "/"), globalThis.location?.href);
  const answer = await fetch(new URL(name, base)).catch(() => null);
  if (!answer?.ok) fail(`${name} is missing in the export${answer ? ` (${answer.status})` : ""}`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function sha256(/** @type {Uint8Array} */ data) {
  // Where there is no crypto.subtle (a page that is not secure), there is no WebGPU either.
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) fail("this page is not secure, so it has no WebGPU: use https, localhost or a file");
  const sum = new Uint8Array(await subtle.digest("SHA-256", data));
  return Array.from(sum, (x) => x.toString(16).padStart(2, "0")).join("");
}

function enough(limits, name, least) {
  if (limits[name] < least) {
    fail(`this GPU offers ${name} ${limits[name]}, and the programs need ${least}`);
  }
}

/** @returns {Promise<GPUDevice>} */
async function open(limits) {
  if (!globalThis.navigator?.gpu) {
    fail("this browser has no WebGPU: Chrome, Edge, Safari 26 and Firefox 141 have it");
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) fail("this browser has WebGPU, but no GPU that it may use");
  for (const [name, least] of Object.entries(limits)) enough(adapter.limits, name, least);
  return adapter.requestDevice({ requiredLimits: limits });
}

/** The tensors and the metadata of a file of safetensors. */
function unpack(/** @type {Uint8Array} */ bytes) {
  const size = bytes.length < 8 ? Infinity : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (size > bytes.length - 8) fail("the file of safetensors is cut off");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  const { __metadata__: metadata = {}, ...about } = header;
  const tensors = Object.fromEntries(Object.entries(about).map(([name, x]) => {
    const [first, last] = x.data_offsets.map((n) => n + 8 + size);
    if (last > bytes.length) fail("the file of safetensors is cut off");
    return [name, { ...x, data: bytes.slice(first, last) }];
  }));
  return { metadata, tensors };
}

/** Programs over one state, on one GPU. Made by `load`. */
export class Model {
  constructor(content, files, /** @type {GPUDevice} */ device) {
    this.device = device;
    this.title = content.title;
    /** What `run` takes and gives, by program. @type {Record<string, {inputs: About[], outputs: About[]}>} */
    this.programs = {};
    this._content = content;
    this._files = files;
    this._ring = []; // staging buffers, of which some are on their way
    this._lost = "";
    device.lost.then((x) => { this._lost = x.message || x.reason; });
  }

  // Making it.
  _buffer(bytes, more = 0) {
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    return this.device.createBuffer({ size: up(Math.max(bytes, 4), 16), usage: STORAGE | COPY_SRC | COPY_DST | more });
  }

  async _build(progress) {
    const { device, _content: content } = this, all = Object.values(content.programs);
    this._buffers = content.buffers.map((x) => this._buffer(x.bytes));
    const constants = unpack(this._files["constants.safetensors"]).tensors;
    this._constants = new Map();
    for (const name of new Set(all.flatMap((p) => p.constants))) {
      const { data } = constants[name], buffer = this._buffer(data.length);
      device.queue.writeBuffer(buffer, 0, data);
      this._constants.set(name, buffer);
    }
    content.buffers.forEach((x, i) => {
      if (x.from) device.queue.writeBuffer(this._buffers[i], 0, constants[x.from[1]].data);
    });
    this._reset();
    const counts = all.map((p) => p.blocks.length);
    this._blocks = Array.from({ length: Math.max(0, ...counts) }, (_, i) =>
      this._buffer(Math.max(...all.map((p) => p.blocks[i] ?? 0))));
    this._notes = this._buffer(16);
    this._layouts = new Map();
    this._pipelines = [];
    const first = new Set(all.flatMap((p) => p.launches.map((x) => x[0])));
    let done = 0;
    await Promise.all([...first].map(async (k) => {
      await this._pipeline(k);
      progress(++done, first.size);
    }));
    this._programs = {};
    for (const [name, p] of Object.entries(content.programs)) {
      this._programs[name] = await this._program(name, p);
      const about = ({ name, dtype, shape }) => ({ name, dtype, shape });
      this.programs[name] = { inputs: p.inputs.map(about), outputs: p.outputs.map(about) };
    }
  }

  /** Put the state, counters and random streams to what was exported. */
  _reset() {
    const content = this._content;
    this._counters = [...content.counters];
    this._settings = content.settings.map((x) => x.value);
    this._streams = content.streams.map((x) => [...x.seed, x.counter]);
    this._put(unpack(this._files["state.safetensors"]));
  }

  _layout(/** @type {string} */ access, /** @type {boolean} */ notes) {
    const key = access + notes;
    if (!this._layouts.has(key)) {
      const visibility = GPUShaderStage.COMPUTE, entries = [{ binding: 0, visibility, buffer: { type: "uniform" } }];
      for (const [i, how] of [...access].entries()) {
        entries.push({ binding: i + 1, visibility, buffer: { type: how === "r" ? "read-only-storage" : "storage" } });
      }
      if (notes) entries.push({ binding: NOTES, visibility, buffer: { type: "storage" } });
      const group = this.device.createBindGroupLayout({ entries });
      this._layouts.set(key, [group, this.device.createPipelineLayout({ bindGroupLayouts: [group] })]);
    }
    return this._layouts.get(key);
  }

  /** @returns {Promise<GPUComputePipeline>} */
  _pipeline(/** @type {number} */ k) {
    const { file, label, access, notes } = this._content.kernels[k];
    this._pipelines[k] ??= this.device.createComputePipelineAsync({
      label, layout: this._layout(access, notes)[1],
      compute: { entryPoint: "main",
        module: this.device.createShaderModule({ label, code: new TextDecoder().decode(this._files[file]) }) },
    }).catch((error) => fail(`the browser refused ${file}: ${error.message}`));
    return this._pipelines[k];
  }

  async _program(name, p) {
    const { device } = this;
    const inputs = p.inputs.map((x) => {
      const n = count(x.shape);
      return { ...x, n, buffer: this._buffer(4 * n), held: new ARRAYS[x.dtype](n) };
    });
    const made = p.made.map((n) => this._buffer(n));
    const faults = this._buffer(8 * p.faults.length);
    const bound = p.binds.map(([kind, i]) => ({ input: inputs[i]?.buffer, buffer: this._buffers[i], faults })[kind]);
    const swaps = new Map(p.swaps.map((i) => [i, this._buffer(bound[i].size)]));
    const places = { input: (i) => bound[i], output: (i) => made[i], block: (i) => this._blocks[i],
      constant: (i) => this._constants.get(p.constants[i]), swap: (i) => swaps.get(i) };
    // What changes from run to run comes first in the uniforms, and is written at once.
    const order = [...p.launches.keys()].sort((a, b) => changes(p.launches[b]) - changes(p.launches[a]));
    const starts = [];
    let end = 0, live = 0;
    for (const i of order) {
      starts[i] = end;
      end += up(Math.max(this._content.kernels[p.launches[i][0]].bytes, 16), 256);
      if (changes(p.launches[i])) live = end;
    }
    const words = new Uint32Array(end / 4), floats = new Float32Array(words.buffer);
    const uniforms = device.createBuffer({ size: Math.max(end, 256), usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    const most = device.limits.maxStorageBufferBindingSize;
    const numbers = [], draws = [];
    /** @type {Launch[]} */
    const launches = [];
    for (const [i, [k, bindings, params, groups, own, draw, hot]] of p.launches.entries()) {
      const kernel = this._content.kernels[k], at = starts[i] / 4;
      words.set(params, at);
      for (const [byte, which, dtype] of own) numbers.push([at + byte / 4, which, dtype === "float32" ? floats : words]);
      if (draw) draws.push([at, ...draw]);
      const entries = [{ binding: 0, resource: { buffer: uniforms, offset: starts[i], size: up(Math.max(kernel.bytes, 16), 16) } }];
      for (const [n, [kind, nth, offset, bytes]] of bindings.entries()) {
        const buffer = places[kind](nth), size = bytes ?? Math.min(buffer.size, most);
        entries.push({ binding: n + 1, resource: { buffer, offset, size } });
      }
      if (kernel.notes) entries.push({ binding: NOTES, resource: { buffer: this._notes } });
      const group = device.createBindGroup({ layout: this._layout(kernel.access, kernel.notes)[0], entries });
      launches.push({ pipeline: await this._pipelines[k], group, groups });
    }
    device.queue.writeBuffer(uniforms, 0, words);
    const hot = p.launches.flatMap((x, i) => (x[6] ? [[i, ...x[6]]] : []));
    const outputs = p.outputs.map((x) => ({ ...x, n: count(x.shape), buffer: made[x.output] }));
    return { ...p, name, inputs, outputs, made, faulty: faults, uniforms, words, live, launches, hot,
      values: p.numbers.map(() => 0), places: numbers, drawing: draws, runs: 0,
      copies: p.swaps.map((i) => [swaps.get(i), bound[i]]) };
  }

  // Running it.
  /**
   * Submit a run, and return at once. With one program its name may be left out.
   * @param {string | Inputs} name @param {Inputs} [inputs]
   */
  step(name, inputs) {
    const p = this._chosen(name);
    this._submit(p, typeof name === "string" ? inputs : name, null);
  }

  /**
   * Run a program, and return its outputs by their names.
   * @param {string | Inputs} name @param {Inputs} [inputs] @returns {Promise<Record<string, Values>>}
   */
  async run(name, inputs) {
    const p = this._chosen(name), rows = p.outputs.map((x) => [x.buffer, x.dtype, x.n]);
    const values = await this._fetch(rows, (copy) => this._submit(p, typeof name === "string" ? inputs : name, copy));
    return Object.fromEntries(p.outputs.map((x, i) => [x.name, values[i]]));
  }

  /**
   * Return the last value of an output ("loss", or "train.loss"), or of a tensor of the state.
   * @param {string} name @returns {Promise<Values>}
   */
  async read(name) {
    const outputs = Object.values(this._programs).flatMap((p) => p.outputs.map((x) => [p, x]));
    const [, out] = outputs.find(([p, x]) => x.name === name || `${p.name}.${x.name}` === name) ?? [];
    if (out) return (await this._fetch([[out.buffer, out.dtype, out.n]]))[0];
    const x = this._content.state.tensors.find((t) => t.name === name) ??
      fail(`${name} is neither an output nor in the state`);
    return (await this._tensors([x]))[0];
  }

  _chosen(name) {
    const names = Object.keys(this._programs);
    if (typeof name !== "string") {
      if (names.length > 1) fail(`there are ${names.join(", ")}: say which one is to run`);
      return this._programs[names[0]];
    }
    return this._programs[name] ?? fail(`${name} is no program; there are ${names.join(", ")}`);
  }

  _submit(p, given = {}, copy) {
    const { queue } = this.device;
    if (this._lost) fail(`the GPU was lost: ${this._lost}`);
    for (const x of p.inputs) check(p, x, given[x.name]);
    for (const name in given) if (!p.inputs.some((x) => x.name === name)) fail(`${p.name} takes no ${name}`);
    this._count(p);
    for (const x of p.inputs) queue.writeBuffer(x.buffer, 0, taken(x, given[x.name]));
    for (const [at, which, view] of p.places) view[at] = p.values[which];
    for (const [at, g, offset] of p.drawing) {
      const stream = this._streams[p.draws[g][0]], first = stream[2] + offset, block = Math.floor(first / 2);
      p.words[at] = stream[0];
      p.words[at + 1] = stream[1];
      p.words[at + 2] = block % 2 ** 32;
      p.words[at + 3] = Math.floor(block / 2 ** 32);
      p.words[at + 4] = first % 2;
    }
    for (const [s, n] of p.draws) this._streams[s][2] += n;
    if (p.live) queue.writeBuffer(p.uniforms, 0, p.words, 0, p.live / 4);
    const encoder = this.device.createCommandEncoder(), pass = encoder.beginComputePass();
    for (const { pipeline, group, groups } of p.launches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
    }
    pass.end();
    for (const [from, to] of p.copies) encoder.copyBufferToBuffer(from, 0, to, 0, to.size);
    copy?.(encoder);
    queue.submit([encoder.finish()]);
    p.runs++;
    for (const x of p.hot) if (x[3] === p.runs) this._heat(p, x);
  }

  /** Put a kernel that is faster, and takes longer to compile, into its place once it is there. */
  async _heat(p, [i, k, groups]) {
    p.launches[i] = { ...p.launches[i], pipeline: await this._pipeline(k), groups };
  }

  /** Count a run, and compute the numbers that it reads; when there are none, nothing has changed. */
  _count(p) {
    for (const [k, by] of p.counts) this._counters[k] += by;
    try {
      p.numbers.forEach((x, i) => { p.values[i] = this._value(x); });
    } catch (error) {
      for (const [k, by] of p.counts) this._counters[k] -= by;
      throw error;
    }
  }

  /** @returns {number} */
  _value(x) {
    if (typeof x === "number") return x;
    const [what, a, b, c] = x;
    switch (what) {
      case "count": return this._counters[a] - b;
      case "setting": return this._settings[a];
      case "turn": return this._scheduled(a, b, this._counters[b] - c);
      case "table": {
        const at = this._value(a) - b, ends = x[4];
        if (at >= c.length && !ends) fail(`numbers were exported for ${c.length} steps, and they are done`);
        return c[Math.min(at, c.length - 1)];
      }
      case "sqrt": return Math.sqrt(this._value(a));
      case "abs": return Math.abs(this._value(a));
    }
    const l = this._value(a), r = this._value(b);
    return what === "+" ? l + r : what === "-" ? l - r : what === "*" ? l * r : what === "/" ? l / r : l ** r;
  }

  _scheduled(setting, counter, at) {
    const rows = this._content.schedules[counter][setting];
    return rows[at] ?? fail(`a schedule was exported for ${rows.length - 1} turns, and they are done`);
  }

  /** Copy buffers out, with what runs have noted of wrong indices, and return what they hold. */
  async _fetch(rows, submit) {
    const watched = Object.values(this._programs).filter((p) => p.faults.length);
    const all = [...rows, ...watched.map((p) => [p.faulty, "int32", 2 * p.faults.length])];
    const size = all.reduce((end, [, , n]) => end + up(4 * n, 16), 16);
    let slot = this._ring.find((x) => !x.busy && x.buffer.size >= size);
    if (!slot) {
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      this._ring.push(slot = { busy: false, buffer: this.device.createBuffer({ size: up(size, 1024), usage }) });
    }
    const copy = (encoder) => {
      let at = 0;
      for (const [buffer, , n] of all) {
        if (n) encoder.copyBufferToBuffer(buffer, 0, slot.buffer, at, 4 * n);
        at += up(4 * n, 16);
      }
    };
    if (submit) submit(copy);
    else {
      const encoder = this.device.createCommandEncoder();
      copy(encoder);
      this.device.queue.submit([encoder.finish()]);
    }
    slot.busy = true;
    try {
      await slot.buffer.mapAsync(GPUMapMode.READ, 0, size).catch((e) => fail(`the GPU gave no answer: ${this._lost || e.message}`));
      const memory = slot.buffer.getMappedRange(0, size);
      let at = 0;
      const values = all.map(([, dtype, n]) => {
        const view = new ARRAYS[dtype](memory, at, n);
        at += up(4 * n, 16);
        return SEEN[dtype].from(view);
      });
      slot.buffer.unmap();
      watched.forEach((p, i) => this._blame(p, values[rows.length + i]));
      return values.slice(0, rows.length);
    } finally {
      slot.busy = false;
    }
  }

  _blame(p, notes) {
    const which = p.faults.findIndex((_, i) => notes[2 * i]);
    if (which < 0) return;
    this.device.queue.writeBuffer(p.faulty, 0, new Uint32Array(2 * p.faults.length));
    const worst = notes[2 * which + 1], { text, unsigned } = p.faults[which];
    fail(text.replaceAll("{}", String(unsigned ? worst >>> 0 : worst)));
  }

  // State.
  /** Return the state as a file of safetensors, which wg.load reads. @returns {Promise<Uint8Array>} */
  async state() {
    const { json, tensors } = this._content.state;
    const big = []; // integers that JSON.stringify would round
    const metadata = { format: "pt", wgrad: JSON.stringify({ version: 1, value: this._described(json, big) })
      .replace(/"big(\d+)"/g, (_, i) => String(big[i])), [STREAMS]: JSON.stringify(this._streams) };
    const order = [...tensors].sort((a, b) => Number(a.dtype === "bool") - Number(b.dtype === "bool"));
    const values = await this._tensors(order);
    const header = { __metadata__: metadata };
    let end = 0;
    order.forEach((x, i) => {
      header[x.name] = { dtype: CODES[x.dtype], shape: x.shape, data_offsets: [end, end += values[i].byteLength] };
    });
    const text = new TextEncoder().encode(JSON.stringify(header));
    const size = up(text.length, 8), bytes = new Uint8Array(8 + size + end).fill(32, 8, 8 + size);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(size), true);
    bytes.set(text, 8);
    order.forEach((x, i) => {
      const { buffer, byteOffset, byteLength } = values[i];
      bytes.set(new Uint8Array(buffer, byteOffset, byteLength), 8 + size + header[x.name].data_offsets[0]);
    });
    return bytes;
  }

  /** Take over a state that `state()` or, in Python, wg.save has written. */
  async restore(/** @type {Uint8Array} */ bytes) {
    this._put(unpack(bytes), true);
  }

  _put({ metadata, tensors }, whole = false) {
    const rows = this._content.state.tensors.map((x) => {
      const given = tensors[x.name] ?? fail(`the state that came has no ${x.name}`);
      if (given.dtype !== CODES[x.dtype] || String(given.shape) !== String(x.shape)) {
        fail(`${x.name} came as ${given.dtype} [${given.shape}], and ${CODES[x.dtype]} [${x.shape}] is needed`);
      }
      const data = x.dtype === "bool" ? Uint32Array.from(given.data) : new Uint32Array(given.data.buffer);
      return [x, data];
    });
    if (whole && metadata.wgrad) {
      // Integers that a number of JavaScript's cannot hold come as text.
      const text = metadata.wgrad.replace(/([[,:]\s*)(\d{16,})(?=\s*[,\]}])/g, '$1"$2"');
      this._noted(this._content.state.json, JSON.parse(text).value);
    }
    if (whole && metadata[STREAMS]) this._streams = JSON.parse(metadata[STREAMS]);
    for (const [x, data] of rows) {
      const buffer = this._buffers[x.buffer];
      if (!x.strides) this.device.queue.writeBuffer(buffer, 0, data);
      else each(x, (at, i) => this.device.queue.writeBuffer(buffer, 4 * at, data, i, 1));
    }
  }

  async _tensors(rows) {
    const sizes = rows.map((x) => (x.strides ? this._content.buffers[x.buffer].bytes / 4 : count(x.shape)));
    const values = await this._fetch(rows.map((x, i) => [this._buffers[x.buffer], x.dtype, sizes[i]]));
    return rows.map((x, i) => {
      if (!x.strides) return values[i];
      const dense = new SEEN[x.dtype](count(x.shape));
      each(x, (at, n) => { dense[n] = values[i][at]; });
      return dense;
    });
  }

  _described(x, big) {
    if (Array.isArray(x)) return x.map((y) => this._described(y, big));
    if (x === null || typeof x !== "object") return x;
    if (x.$ !== "mark") return Object.fromEntries(Object.entries(x).map(([k, y]) => [k, this._described(y, big)]));
    if ("count" in x) return this._counters[x.count];
    if ("turns" in x) return x.values[this._counters[x.turns]];
    if ("drawn" in x) return this._streams[x.drawn][2];
    if ("seed" in x) {
      const [low, high] = this._streams[x.seed];
      return `big${big.push((BigInt(high) << 32n) + BigInt(low)) - 1}`;
    }
    for (const [k, rows] of Object.entries(this._content.schedules)) {
      if (x.setting in rows) return this._scheduled(x.setting, k, this._counters[k]);
    }
    return this._settings[x.setting];
  }

  _noted(x, came) {
    if (x === null || typeof x !== "object" || came === undefined) return;
    if (x.$ !== "mark") for (const k in x) this._noted(x[k], came?.[k]);
    else if ("count" in x) this._counters[x.count] = Number(came);
    else if ("turns" in x) {
      const at = x.values.indexOf(came);
      if (at >= 0 && x.values.indexOf(came, at + 1) < 0) this._counters[x.turns] = at;
    } else if ("drawn" in x) this._streams[x.drawn][2] = Number(came);
    else if ("seed" in x) this._streams[x.seed].splice(0, 2, ...words(came));
    else this._settings[x.setting] = came;
  }

  /** Start the random stream of a seed, as wg.manual_seed does. */
  seed(/** @type {number | bigint} */ n) {
    this._content.streams.forEach((x, i) => { if (x.global) this._streams[i] = [...words(n), 0]; });
  }

  /** The settings of optimizers by their names in the state, such as "1.param_groups.0.lr". */
  get settings() {
    return Object.fromEntries(this._content.settings.map((x, i) => [x.name, this._settings[i]]));
  }

  /** Change a setting from the next run on. */
  set(/** @type {string} */ name, /** @type {number} */ value) {
    const i = this._content.settings.findIndex((x) => x.name === name);
    if (i < 0) fail(`${name} is no setting; there are ${this._content.settings.map((x) => x.name).join(", ")}`);
    if (this._content.settings[i].fixed) fail(`${name} follows a schedule that was exported with it`);
    this._settings[i] = value;
  }

  /**
   * Run all programs on the inputs that they were exported with, from the state that was exported,
   * and compare with what NumPy computed. All is as it was afterwards.
   * @returns {Promise<{ok: boolean, worst: number, rows: {output: string, error: number}[]}>}
   */
  async selftest(tolerance = 1e-3) {
    const { tensors } = unpack(this._files["expected.safetensors"]), rows = [];
    const kept = this._buffers.map((x) => this._buffer(x.size));
    const move = (from, to) => {
      const encoder = this.device.createCommandEncoder();
      from.forEach((x, i) => encoder.copyBufferToBuffer(x, 0, to[i], 0, x.size));
      this.device.queue.submit([encoder.finish()]);
    };
    move(this._buffers, kept);
    const { _counters, _settings, _streams } = this;
    try {
      this._reset();
      for (const [name, p] of Object.entries(this._programs)) {
        const values = (key) => {
          const { dtype, data } = tensors[key];
          return dtype === "BOOL" ? data : new { F32: Float32Array, I32: Int32Array, U32: Uint32Array }[dtype](data.buffer);
        };
        const given = Object.fromEntries(p.inputs.map((x) => [x.name, values(`${name}/in/${x.name}`)]));
        for (let n = 0; p.outputs.length && `${name}/${n}/${p.outputs[0].name}` in tensors; n++) {
          const out = await this.run(name, given);
          for (const x of p.outputs) {
            const key = `${name}/${n}/${x.name}`;
            rows.push({ output: key, error: difference(out[x.name], values(key)) });
          }
        }
      }
    } finally {
      move(kept, this._buffers);
      kept.forEach((x) => x.destroy());
      Object.assign(this, { _counters, _settings, _streams });
    }
    const worst = Math.max(0, ...rows.map((x) => x.error));
    return { ok: worst <= tolerance, worst, rows };
  }

  /** Free the GPU's memory; nothing runs afterwards. */
  destroy() {
    this.device.destroy();
  }
}

const changes = (launch) => Number(launch[4].length > 0 || Boolean(launch[5]));

/** The largest difference, as a part of the largest number. */
function difference(/** @type {Values} */ a, /** @type {Values} */ b) {
  let most = 0, scale = 0;
  for (let i = 0; i < b.length; i++) {
    if (Object.is(a[i], b[i]) || (a[i] !== a[i] && b[i] !== b[i])) continue;
    const d = Math.abs(a[i] - b[i]);
    most = Math.max(most, d === d ? d : Infinity);
  }
  for (const x of b) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  return most / (scale || 1);
}

/** The two words of a seed. @returns {number[]} */
function words(n) {
  const x = /^\d+$/.test(String(n)) ? BigInt(n) : fail(`${n} is no seed: an integer from 0 to 2**64 - 1 is needed`);
  if (x >= 2n ** 64n) fail(`${n} is no seed: an integer from 0 to 2**64 - 1 is needed`);
  return [Number(x & 0xffffffffn), Number(x >> 32n)];
}

/** Call f(place in memory, place in order) for all elements of a view. */
function each({ shape, strides, offset }, f) {
  let n = 0;
  const walk = (axis, at) => {
    if (axis === shape.length) f(at, n++);
    else for (let i = 0; i < shape[axis]; i++) walk(axis + 1, at + i * strides[axis]);
  };
  walk(0, offset);
}

function check(p, x, value) {
  const wanted = `${p.name} needs ${x.name} as ${x.dtype} [${x.shape}], ${x.n} numbers`;
  if (value === undefined || value === null) fail(wanted);
  const length = typeof value === "number" || typeof value === "boolean" ? 1 : value.length;
  if (length !== x.n) fail(`${wanted}, and ${length ?? "none"} came`);
  for (const [shape, strides, offset, least, greatest, besides] of x.ranges) {
    each({ shape, strides, offset }, (at) => {
      const v = length === 1 && !value.length ? value : value[at];
      if ((v < least || v > greatest) && v !== besides) {
        fail(`${p.name}: ${x.name} holds ${v}, and integers from ${least} to ${greatest} are needed`);
      }
    });
  }
}

/** What came for an input, as the GPU's memory has it. */
function taken(x, value) {
  if (value instanceof ARRAYS[x.dtype] && x.dtype !== "bool") return value;
  if (typeof value === "number" || typeof value === "boolean") x.held[0] = Number(value);
  else x.held.set(value);
  return x.held;
}
