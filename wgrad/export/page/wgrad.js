/**
 * Runs programs that wgrad exported, on WebGPU. What program.json says: wgrad/export/bundle.py.
 *
 *   const m = await load("folder/");
 *   const { loss } = await m.run("train", { x, y });   // or m.step(...), and m.read("loss") later
 *   const bytes = await m.state();                     // what wg.load reads
 *
 * @typedef {Float32Array | Int32Array | Uint32Array | Uint8Array} Values  Uint8Array for bool
 * @typedef {{name: string, dtype: string, shape: number[]}} About
 * @typedef {Record<string, number | boolean | ArrayLike<number | boolean>>} Inputs
 */

/** What is wrong, in one sentence. */
export class WgradError extends Error {
  name = "WgradError";
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint32: Uint32Array, bool: Uint32Array };
const shownAs = (dtype) => (dtype === "bool" ? Uint8Array : ARRAYS[dtype]);
const OPERATORS = { "+": (l, r) => l + r, "-": (l, r) => l - r, "*": (l, r) => l * r, "/": (l, r) => l / r, "**": Math.pow };
const up = (n, to) => Math.ceil(n / to) * to;
const fail = (text) => { throw new WgradError(text); };
const utf8 = (text) => new TextEncoder().encode(text), text = (bytes) => new TextDecoder().decode(bytes);

/**
 * Load an export: the URL of its folder, or {files: {name: base64 or bytes}}. Without `device` one is asked for.
 * `progress` is told of kernels as they are compiled.
 * @param {string | URL | {files: Record<string, string | Uint8Array>}} source
 * @param {{device?: GPUDevice, progress?: (done: number, of: number) => void}} [options]
 * @returns {Promise<Model>}
 */
export async function load(source, { device, progress = () => {} } = {}) {
  const [, sum, inside] = /^\{"sha256":"([0-9a-f]{64})","content":(.*)\}$/s
    .exec(text(await bytesOf(source, "program.json"))) ?? fail("program.json is cut off, or no export of wgrad");
  await intact("program.json", utf8(inside), sum);
  const content = JSON.parse(inside);
  if (content.version !== 1) fail(`version ${content.version} came, and this wgrad.js reads version 1`);
  device ??= await opened(content.limits);
  enough(device.limits, content.limits);
  // What a chip runs fast takes a program in its place long to compile.
  const { architecture, description, isFallbackAdapter } = device.adapterInfo ?? {};
  const software = isFallbackAdapter || /swiftshader|llvmpipe|warp/i.test(`${architecture} ${description}`);
  Object.assign(content, content.kinds[software ? "software" : "gpu"]);
  /** @type {Record<string, Uint8Array>} */
  const files = {};
  await Promise.all(content.needs.map(async (name) => {
    const { bytes, sha256 } = content.files[name], data = files[name] = await bytesOf(source, name);
    if (data.length !== bytes) fail(`${name} has ${data.length} bytes, and ${bytes} were exported`);
    await intact(name, data, sha256);
  }));
  return new Model(content, files, device)._build(progress);
}

async function bytesOf(source, name) {
  const data = source?.files?.[name];
  if (typeof data === "string") return Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  if (data) return data;
  const folder = new URL(String(source).replace(/\/?$/, "/"), location.href);
  const answer = source?.files ? null : await fetch(new URL(name, folder)).catch(() => null);
  return answer?.ok ? new Uint8Array(await answer.arrayBuffer()) : fail(`${name} is missing in the export`);
}

async function intact(name, data, sum) {
  const { subtle } = crypto; // where pages are not secure there is none, and no WebGPU either
  if (!subtle) fail("this page has no WebGPU, for it is not secure: use https");
  const hex = Array.from(new Uint8Array(await subtle.digest("SHA-256", data)), (x) => x.toString(16).padStart(2, "0"));
  if (hex.join("") !== sum) fail(`${name} is not as it was exported`);
}

function enough(limits, needed) {
  for (const [name, n] of Object.entries(needed)) {
    if (limits[name] < n) fail(`this GPU offers ${name} ${limits[name]}, and the programs need ${n}`);
  }
}

async function opened(limits) {
  const gpu = globalThis.navigator?.gpu ??
    fail("this browser has no WebGPU, as today's Chrome, Edge, Firefox and Safari have");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }) ??
    fail("this browser has WebGPU, but no GPU that it may use");
  enough(adapter.limits, limits);
  return adapter.requestDevice({ requiredLimits: limits });
}

/** What a file of safetensors holds. */
function unpack(bytes) {
  const start = bytes.length < 8 ? NaN : 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const whole = (end) => end <= bytes.length || fail("the file of safetensors is cut off");
  const { __metadata__: metadata = {}, ...tensors } = whole(start) && JSON.parse(text(bytes.subarray(8, start)));
  for (const x of Object.values(tensors)) {
    const [first, last] = x.data_offsets.map((n) => start + n);
    x.data = whole(last) && bytes.slice(first, last);
  }
  return { metadata, tensors };
}

/** Programs over one state, on one GPU; `load` makes it. */
export class Model {
  constructor(content, files, /** @type {GPUDevice} */ device) {
    this.device = device;
    this.title = content.title;
    /** What `run` takes and gives. @type {Record<string, {inputs: About[], outputs: About[]}>} */
    this.programs = {};
    this._told = content;
    this._programs = content.programs;
    this._files = files;
    this._constants = unpack(files["constants.safetensors"]).tensors;
    this._buffers = []; // made when they are first asked for
    this._ring = []; // memory that results are read through
    device.lost.then((x) => { this._lost = `the GPU was lost: ${x.message || x.reason}`; });
  }

  _memory(size, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST) {
    return this.device.createBuffer({ size, usage });
  }

  _buffer(i) {
    if (!this._buffers[i]) {
      const [size, constant] = this._told.buffers[i];
      this._buffers[i] = this._memory(size);
      if (constant) this._write(i, this._constants[constant].data);
    }
    return this._buffers[i];
  }

  _write(i, data) {
    this.device.queue.writeBuffer(this._buffer(i), 0, data);
  }

  async _build(progress) {
    const { device, _told: content } = this, { COMPUTE } = GPUShaderStage;
    this._reset();
    this._kernels = content.kernels.map(({ file, label, bindings }) => {
      const made = async () => {
        const entries = bindings.map(([binding, type]) => ({ binding, visibility: COMPUTE, buffer: { type } }));
        const group = device.createBindGroupLayout({ entries });
        const layout = device.createPipelineLayout({ bindGroupLayouts: [group] });
        const module = device.createShaderModule({ label, code: text(this._files[file]) });
        return device.createComputePipelineAsync({ label, layout, compute: { module, entryPoint: "main" } })
          .then((pipeline) => ({ pipeline, group }), (error) => fail(`the browser refused ${file}: ${error.message}`));
      };
      let kept;
      return () => kept ??= made();
    });
    const first = new Set(this._programs.flatMap((p) => p.launches.map((x) => x.kernel)));
    let done = 0;
    await Promise.all([...first].map((k) => this._kernels[k]().then(() => progress(++done, first.size))));
    for (const p of this._programs) {
      this.programs[p.name] = p.about;
      p.words = new Uint32Array(p.params);
      p.floats = new Float32Array(p.words.buffer);
      p.uniforms = this._memory(4 * p.words.length || 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
      device.queue.writeBuffer(p.uniforms, 0, p.words);
      for (const x of p.inputs) x.held = new ARRAYS[x.dtype](x.size);
      for (const x of p.launches) {
        const { pipeline, group: layout } = await this._kernels[x.kernel]();
        const entries = x.bindings.map(([binding, i, offset, size]) =>
          ({ binding, resource: { buffer: binding ? this._buffer(i) : p.uniforms, offset, size } }));
        Object.assign(x, { pipeline, bound: device.createBindGroup({ layout, entries }) });
      }
    }
    return this;
  }

  /** Go back to the state that was exported. */
  _reset() {
    const { counters, settings, streams } = this._told;
    this._counters = [...counters];
    this._settings = settings.map((x) => x.value);
    this._streams = streams.map((x) => [...x.seed, x.counter]);
    this._put(unpack(this._files["state.safetensors"]));
  }

  /**
   * Submit a run, and return at once. The name of an only program may be left out.
   * @param {string | Inputs} name @param {Inputs} [inputs]
   */
  step(name, inputs) {
    this._submit(...this._chosen(name, inputs));
  }

  /**
   * Run a program, and return its outputs by their names.
   * @param {string | Inputs} name @param {Inputs} [inputs] @returns {Promise<Record<string, Values>>}
   */
  async run(name, inputs) {
    const [p, given] = this._chosen(name, inputs);
    const values = await this._fetch(p.outputs, (copy) => this._submit(p, given, copy));
    return Object.fromEntries(p.outputs.map((x, i) => [x.name, values[i]]));
  }

  /**
   * Return the last value of an output ("loss", or "train.loss"), or of a tensor of the state.
   * @param {string} name @returns {Promise<Values>}
   */
  async read(name) {
    const all = [...this._programs.flatMap((p) => p.outputs), ...this._told.state.tensors];
    const x = all.find((x) => x.name === name || x.path === name);
    return (await this._fetch([x ?? fail(`${name} is neither an output nor in the state`)]))[0];
  }

  _chosen(name, inputs) {
    const names = this._programs.map((p) => p.name);
    if (typeof name !== "string" && names.length === 1) return this._chosen(names[0], name);
    return [this._programs[names.indexOf(name)] ?? fail(`${name} is no program; there are ${names}`), inputs];
  }

  _submit(p, given = {}, copy = (_) => {}) {
    if (this._lost) fail(this._lost);
    const data = p.inputs.map((x) => held(p, x, given[x.name]));
    for (const name in given) p.inputs.find((x) => x.name === name) ?? fail(`${p.name} takes no ${name}`);
    const counters = [...this._counters];
    for (const [k, by] of p.counts) counters[k] += by;
    const values = p.numbers.map((x) => this._value(x, counters));
    this._counters = counters;
    p.inputs.forEach((x, i) => this._write(x.buffer, data[i]));
    for (const [at, n, isFloat] of p.places) (isFloat ? p.floats : p.words)[at] = values[n];
    for (const [at, s, offset] of p.draws) {
      const [low, high, taken] = this._streams[s], first = taken + offset;
      p.words.set([low, high, (first / 2) % 2 ** 32, first / 2 ** 33, first % 2], at);
    }
    for (const [s, n] of p.takes) this._streams[s][2] += n;
    if (p.live) this.device.queue.writeBuffer(p.uniforms, 0, p.words, 0, p.live);
    this._encoded((encoder) => {
      const pass = encoder.beginComputePass();
      for (const x of p.launches) {
        pass.setPipeline(x.pipeline);
        pass.setBindGroup(0, x.bound);
        pass.dispatchWorkgroups(x.groups[0], x.groups[1], x.groups[2]);
      }
      pass.end();
      for (const [from, to, n] of p.copies) encoder.copyBufferToBuffer(this._buffer(from), 0, this._buffer(to), 0, n);
      copy(encoder);
    });
  }

  /** @returns {number} */
  _value(x, counters) {
    if (typeof x === "number") return x;
    const [what, a, b, table, holds] = x;
    if (what === "count") return counters[a] - b;
    if (what === "setting") return this._settings[a];
    const l = this._value(a, counters);
    if (what in Math) return Math[what](l);
    if (what === "table") {
      const rows = this._told.tables[table];
      return rows[holds ? Math.min(l - b, rows.length - 1) : l - b] ??
        fail(`numbers were exported for ${rows.length} steps, which are done`);
    }
    return OPERATORS[what](l, this._value(b, counters));
  }

  /** Return what buffers hold, unless runs have noted wrong indices. */
  async _fetch(rows, submit = (copy) => this._encoded(copy)) {
    const watched = this._programs.flatMap((p) => (p.faults ? [p.faults] : []));
    const all = [...rows, ...watched.map(([buffer, checks]) => ({ buffer, dtype: "int32", size: 2 * checks.length }))];
    const ends = all.map(((end) => (x) => end += up(4 * x.size, 16))(0)), size = ends.at(-1) ?? 0;
    let slot = this._ring.find((x) => !x.busy && x.memory.size >= size);
    submit((encoder) => {
      if (!slot) {
        const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
        this._ring.push(slot = { memory: this._memory(up(size + 1, 1024), usage) });
      }
      slot.busy = true;
      all.forEach((x, i) => encoder.copyBufferToBuffer(this._buffer(x.buffer), 0, slot.memory, ends[i - 1] ?? 0, 4 * x.size));
    });
    await slot.memory.mapAsync(GPUMapMode.READ).catch((e) => fail(this._lost ?? `the GPU gave no answer: ${e.message}`));
    const mapped = slot.memory.getMappedRange();
    const values = all.map((x, i) => shownAs(x.dtype).from(new ARRAYS[x.dtype](mapped, ends[i - 1] ?? 0, x.size)));
    slot.memory.unmap();
    slot.busy = false;
    watched.forEach(([buffer, checks], i) => {
      const notes = values[rows.length + i], which = checks.findIndex((_, n) => notes[2 * n]);
      if (which < 0) return;
      this._write(buffer, new Uint32Array(notes.length));
      const worst = notes[2 * which + 1], { text, unsigned } = checks[which];
      fail(text.replaceAll("{}", String(unsigned ? worst >>> 0 : worst)));
    });
    return values.slice(0, rows.length);
  }

  _encoded(fill) {
    const encoder = this.device.createCommandEncoder();
    fill(encoder);
    this.device.queue.submit([encoder.finish()]);
  }

  // State.
  /** Return the state as a file of safetensors, which wg.load reads. @returns {Promise<Uint8Array>} */
  async state() {
    const { json, marks, tensors, header } = this._told.state, tree = structuredClone({ value: json });
    for (const [path, ...mark] of marks) path.slice(0, -1).reduce((x, k) => x[k], tree)[path.at(-1)] = this._mark(mark);
    const wgrad = JSON.stringify({ version: 1, ...tree }).replace(/"#(\d+)"/g, "$1");
    const metadata = { format: "pt", wgrad, streams: JSON.stringify(this._streams) };
    const head = utf8(JSON.stringify({ __metadata__: metadata, ...header }));
    const values = await this._fetch(tensors), start = 8 + up(head.length, 8);
    const bytes = new Uint8Array(start + values.reduce((n, x) => n + x.byteLength, 0)).fill(32, 0, start);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
    bytes.set(head, 8);
    tensors.forEach((x, i) => bytes.set(new Uint8Array(values[i].buffer), start + header[x.name].data_offsets[0]));
    return bytes;
  }

  /** Take over a state that `state()`, or wg.save in Python, has written. */
  async restore(/** @type {Uint8Array} */ bytes) {
    const file = unpack(bytes), { wgrad = "{}", streams } = file.metadata;
    this._put(file);
    if (streams) this._streams = JSON.parse(streams);
    // Integers that numbers of JavaScript would round come as text.
    const tree = JSON.parse(wgrad.replace(/([[,:] ?)(\d{16,})(?= ?[,\]}])/g, '$1"$2"'));
    for (const [path, ...mark] of this._told.state.marks) this._mark(mark, path.reduce((x, k) => x?.[k], tree));
  }

  _put({ tensors }) {
    const { tensors: wanted, header } = this._told.state;
    const rows = wanted.map(({ name, dtype, buffer }) => {
      const came = tensors[name] ?? fail(`the state that came has no ${name}`);
      const [has, needs] = [came, header[name]].map((x) => `${x.dtype} [${x.shape}]`);
  if (has !== needs) fail(`${name} came as ${has}, and ${needs} is needed`);
      return [buffer, dtype === "bool" ? Uint32Array.from(came.data) : came.data];
    });
    for (const row of rows) this._write(...row);
  }

  /** Return a number of the state's description, after taking over what came for it. */
  _mark([kind, i, at], came) {
    if (kind === "seed") {
      const stream = this._streams[i];
      if (came !== undefined) stream.splice(0, 2, ...words(came));
      return `#${(BigInt(stream[1]) << 32n) + BigInt(stream[0])}`;
    }
    if (kind === "table") {
      const rows = this._told.tables[i], first = rows.indexOf(came);
      if (first >= 0 && first === rows.lastIndexOf(came)) this._counters[at] = first;
      return rows[this._counters[at]];
    }
    const [all, k] = { count: [this._counters, i], setting: [this._settings, i], drawn: [this._streams[i], 2] }[kind];
    if (came !== undefined) all[k] = Number(came);
    return all[k];
  }

  /** Start the random stream of a seed, as wg.manual_seed does. */
  seed(/** @type {number | bigint} */ n) {
    const start = words(n);
    this._told.streams.forEach((x, i) => { if (x.global) this._streams[i] = [...start, 0]; });
  }

  /** The settings of optimizers by their names in the state, such as "1.param_groups.0.lr". */
  get settings() {
    return Object.fromEntries(this._told.settings.map((x, i) => [x.name, this._settings[i]]));
  }

  /** Change a setting from the next run on. */
  set(/** @type {string} */ name, /** @type {number} */ value) {
    const i = this._told.settings.findIndex((x) => x.name === name && !x.fixed);
    this._settings[i < 0 ? fail(`${name} is no setting that a page may change`) : i] = value;
  }

  /**
   * Run all programs as they were exported, and compare with what NumPy computed. Afterwards all is as it was.
   * @returns {Promise<{ok: boolean, worst: number, rows: {output: string, error: number}[]}>}
   */
  async selftest(tolerance = 1e-3) {
    const { tensors } = unpack(this._files["expected.safetensors"]), rows = [], before = await this.state();
    const values = (path, x) => new (shownAs(x.dtype))(tensors[path].data.buffer);
    this._reset();
    try {
      for (const { name, inputs, outputs } of this._programs) {
        const given = Object.fromEntries(inputs.map((x) => [x.name, values(`${name}/in/${x.name}`, x)]));
        for (let n = 0; n < this._told.runs; n++) {
          const out = await this.run(name, given);
          for (const x of outputs) {
            const output = `${name}/${n}/${x.name}`;
            rows.push({ output, error: difference(out[x.name], values(output, x)) });
          }
        }
      }
    } finally {
      await this.restore(before);
    }
    const worst = Math.max(0, ...rows.map((x) => x.error));
    return { ok: worst <= tolerance, worst, rows };
  }
}

/** The largest difference, as a part of the largest number. */
function difference(a, b) {
  const scale = b.reduce((most, x) => Math.max(most, Number.isFinite(x) ? Math.abs(x) : 0), 0);
  return a.reduce((most, x, i) => Math.max(most, Object.is(x, b[i]) ? 0 : Math.abs(x - b[i])), 0) / (scale || 1);
}

/** The two words of a seed. */
function words(n) {
  const x = /^\d+$/.test(String(n)) ? BigInt(n) : -1n;
  if (x < 0n || x >= 2n ** 64n) fail(`${n} is no seed: an integer from 0 to 2**64 - 1 is needed`);
  return [Number(x & 0xffffffffn), Number(x >> 32n)];
}

/** What came for an input, as the GPU's memory has it. */
function held(p, x, value) {
  const all = typeof value === "object" ? value : [value], n = value == null ? "none" : all.length;
  if (n !== x.size) fail(`${p.name} needs ${x.name}, ${x.dtype} [${x.shape}]: ${x.size} numbers, and ${n} came`);
  for (const [places, least, greatest, besides] of x.ranges) {
    for (let i = 0; i < (places ?? all).length; i++) {
      const v = all[places?.[i] ?? i];
      if ((v >= least && v <= greatest) || v === besides) continue;
      fail(`${p.name}: ${x.name} holds ${v}, and integers from ${least} to ${greatest} are needed`);
    }
  }
  if (all instanceof ARRAYS[x.dtype] && x.dtype !== "bool") return all;
  x.held.set(all);
  return x.held;
}
