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
const utf8 = (x) => new TextEncoder().encode(x), text = (x) => new TextDecoder().decode(x);

/**
 * Load an export: the URL of its folder, or {files: {name: base64 or bytes}}. Without `device` one is asked for.
 * `progress` is told of kernels as they are compiled.
 * @param {string | URL | {files: Record<string, string | Uint8Array>}} source
 * @param {{device?: GPUDevice, progress?: (done: number, of: number) => void}} [options]
 * @returns {Promise<Model>}
 */
export async function load(source, { device, progress } = {}) {
  const [, sum, inside] = /^\{"sha256":"([0-9a-f]{64})","content":(.*)\}$/s
    .exec(text(await bytesOf(source, "program.json"))) ?? fail("program.json is cut off, or no export of wgrad");
  await intact("program.json", utf8(inside), sum);
  const content = JSON.parse(inside);
  if (content.version !== 1) fail(`version ${content.version} came, and this wgrad.js reads version 1`);
  device ??= await opened(content.limits);
  enough(device.limits, content.limits);
  // What chips run fast takes others long to compile.
  const { architecture, description, isFallbackAdapter } = device.adapterInfo ?? {};
  const software = isFallbackAdapter || /swiftshader|llvmpipe|warp/i.test(`${architecture} ${description}`);
  Object.assign(content, content.kinds[software ? "software" : "gpu"]);
  const files = {};
  await Promise.all(content.needs.map(async (name) => {
    await intact(name, files[name] = await bytesOf(source, name), content.files[name].sha256);
  }));
  return new Model(content, files, device)._build(progress);
}

async function bytesOf(source, name) {
  try {
    const data = source.files?.[name];
    if (typeof data === "string") return Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    if (data) return data;
    const folder = new URL(String(source).replace(/\/?$/, "/"), location.href);
    const answer = source.files ? null : await fetch(new URL(name, folder));
    if (answer?.ok) return new Uint8Array(await answer.arrayBuffer());
  } catch {} // no address, no base64, or a connection that broke
  return fail(`${name} is missing in the export, or cut off`);
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
    fail("this browser has no WebGPU; today's Chrome, Edge, Firefox and Safari have it");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }) ??
    fail("this browser has WebGPU, but no GPU that it may use");
  enough(adapter.limits, limits);
  return adapter.requestDevice({ requiredLimits: limits }).catch((e) => fail(`the GPU does not open: ${e.message}`));
}

/** What a file of safetensors holds, and what wgrad says in it. */
function unpack(given) {
  try {
    const bytes = new Uint8Array(given.buffer ?? given, given.byteOffset, given.byteLength);
    const start = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const { __metadata__: { wgrad = "{}", streams = "[]" } = {}, ...tensors } = JSON.parse(text(bytes.subarray(8, start)));
    for (const x of Object.values(tensors)) {
      const [first, last] = x.data_offsets.map((n) => start + n);
      x.data = last <= bytes.length ? bytes.slice(first, last) : fail();
    }
    // Integers that numbers of JavaScript would round come as text.
    const tree = wgrad.replace(/"(?:[^"\\]|\\.)*"|[-+.\deE]+/g, (x) => (/^\d{16,}$/.test(x) ? `"${x}"` : x));
    return { tensors, tree: JSON.parse(tree), streams: JSON.parse(streams) };
  } catch {
    return fail("the file of safetensors is cut off, or is none");
  }
}

/** Programs over one state, on one GPU; `load` makes it. */
export class Model {
  constructor(content, files, /** @type {GPUDevice} */ device, kernels) {
    this.device = device;
    this.title = content.title;
    /** What `run` takes and gives. @type {Record<string, {inputs: About[], outputs: About[]}>} */
    this.programs = {};
    this._content = content;
    this._told = structuredClone(content);
    this._programs = this._told.programs;
    this._now = this._told.now;
    this._files = files;
    this._kernels = kernels;
    this._constants = unpack(files["constants.safetensors"]).tensors;
    this._buffers = []; // made when they are first asked for
    this._ring = []; // which results are read through
    device.lost.then((x) => { this._lost = `the GPU was lost: ${x.message || x.reason}`; });
  }

  _memory(size, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST) {
    return this.device.createBuffer({ size, usage });
  }

  _buffer(i) {
    if (this._buffers[i]) return this._buffers[i];
    const [size, constant] = this._told.buffers[i], made = this._buffers[i] = this._memory(size);
    if (constant) this._write(i, this._constants[constant].data);
    return made;
  }

  _write(i, data) {
    this.device.queue.writeBuffer(this._buffer(i), 0, data);
  }

  async _build(progress) {
    const { device } = this;
    this._put(unpack(this._files["state.safetensors"]));
    const compiled = async ({ file, label, bindings }) => {
      const entries = bindings.map(([binding, type]) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
      const group = device.createBindGroupLayout({ entries });
      const layout = device.createPipelineLayout({ bindGroupLayouts: [group] });
      const module = device.createShaderModule({ label, code: text(this._files[file]) });
      return device.createComputePipelineAsync({ label, layout, compute: { module, entryPoint: "main" } })
        .then((pipeline) => ({ pipeline, group }), (error) => fail(`the browser refused ${file}: ${error.message}`));
    };
    const used = new Set(this._programs.flatMap((p) => p.launches.map((x) => x.kernel)));
    const kernels = this._kernels ??= Object.fromEntries([...used].map((k) => [k, compiled(this._told.kernels[k])]));
    let done = 0;
    await Promise.all(Object.values(kernels).map((x) => x.then(() => progress?.(++done, used.size))));
    for (const p of this._programs) {
      this.programs[p.name] = p.about;
      p.words = new Uint32Array(p.params);
      p.floats = new Float32Array(p.words.buffer);
      p.uniforms = this._memory(4 * p.words.length || 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
      device.queue.writeBuffer(p.uniforms, 0, p.words);
      for (const x of p.inputs) x.held = new ARRAYS[x.dtype](x.size);
      for (const x of p.launches) {
        const { pipeline, group: layout } = await kernels[x.kernel];
        const entries = x.bindings.map(([binding, i, offset, size]) =>
          ({ binding, resource: { buffer: binding ? this._buffer(i) : p.uniforms, offset, size } }));
        Object.assign(x, { pipeline, bound: device.createBindGroup({ layout, entries }) });
      }
    }
    return this;
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
    return [this._programs[names.indexOf(name)] ?? fail(`${name} is no program; there are ${names}`), inputs ?? {}];
  }

  _submit(p, given, copy) {
    if (this._lost) fail(this._lost);
    const data = p.inputs.map((x) => held(p, x, given[x.name]));
    for (const name in given) p.inputs.find((x) => x.name === name) ?? fail(`${p.name} takes no ${name}`);
    const { streams } = this._now, counters = [...this._now.counters];
    for (const [k, by] of p.counts) counters[k] += by;
    const values = p.numbers.map((x) => this._value(x, counters));
    this._now.counters = counters;
    p.inputs.forEach((x, i) => this._write(x.buffer, data[i]));
    for (const [at, n, isFloat] of p.places) (isFloat ? p.floats : p.words)[at] = values[n];
    for (const [at, s, offset] of p.draws) {
      const [low, high, taken] = streams[s], first = taken + offset;
      p.words.set([low, high, (first / 2) % 2 ** 32, first / 2 ** 33, first % 2], at);
    }
    for (const [s, n] of p.takes) streams[s][2] += n;
    if (p.live) this.device.queue.writeBuffer(p.uniforms, 0, p.words, 0, p.live);
    this._encoded((encoder) => {
      const pass = encoder.beginComputePass();
      for (const x of p.launches) {
        pass.setPipeline(x.pipeline);
        pass.setBindGroup(0, x.bound);
        pass.dispatchWorkgroups(...x.groups);
      }
      pass.end();
      for (const [from, to, n] of p.copies) encoder.copyBufferToBuffer(this._buffer(from), 0, this._buffer(to), 0, n);
      copy?.(encoder);
    });
  }

  _value(x, counters) {
    if (typeof x === "number") return x;
    const [what, a, b, table, holds] = x;
    if (what === "count") return counters[a] - b;
    if (what === "setting") return this._now.settings[a];
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
    const watched = this._programs.flatMap((p) => p.faults ?? []), all = [...rows, ...watched];
    const ends = all.map(((end) => (x) => end += up(4 * x.size, 16))(0)), size = ends.at(-1) ?? 0;
    let slot = this._ring.find((x) => !x.busy && x.memory.size >= size);
    submit((encoder) => {
      if (!slot) {
        slot = { memory: this._memory(up(size + 1, 1024), GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST) };
        this._ring.push(slot);
      }
      slot.busy = true;
      all.forEach((x, i) => encoder.copyBufferToBuffer(this._buffer(x.buffer), 0, slot.memory, ends[i - 1] ?? 0, 4 * x.size));
    });
    await slot.memory.mapAsync(GPUMapMode.READ).catch((e) => fail(this._lost ?? `the GPU gave no answer: ${e.message}`));
    const mapped = slot.memory.getMappedRange();
    const values = all.map((x, i) => new (shownAs(x.dtype))(new ARRAYS[x.dtype](mapped, ends[i - 1] ?? 0, x.size)));
    slot.memory.unmap();
    slot.busy = false;
    watched.forEach(({ buffer, checks }, i) => {
      const notes = values[rows.length + i], which = checks.findIndex((_, n) => notes[2 * n]);
      if (which < 0) return;
      this._write(buffer, new Uint32Array(notes.length));
      const worst = notes[2 * which + 1], { text, unsigned } = checks[which];
      fail(text.replaceAll("{}", unsigned ? worst >>> 0 : worst));
    });
    return values.slice(0, rows.length);
  }

  _encoded(fill) {
    const encoder = this.device.createCommandEncoder();
    fill(encoder);
    this.device.queue.submit([encoder.finish()]);
  }

  /** Return the state as a file of safetensors, which wg.load reads. @returns {Promise<Uint8Array>} */
  async state() {
    const { pieces, marks, tensors } = this._told.state;
    const numbers = [...marks.map((x) => this._mark(x)), JSON.stringify(this._now.streams), ""];
    const head = utf8(pieces.map((x, i) => x + numbers[i]).join(""));
    const values = await this._fetch(tensors), start = 8 + up(head.length, 8);
    const bytes = new Uint8Array(start + values.reduce((n, x) => n + x.byteLength, 0)).fill(32, 0, start);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
    bytes.set(head, 8);
    tensors.forEach((x, i) => bytes.set(new Uint8Array(values[i].buffer), start + x.start));
    return bytes;
  }

  /** Take over a state that `state()`, or wg.save in Python, has written: all of it, or nothing. */
  async restore(/** @type {Uint8Array} */ bytes) {
    const file = unpack(bytes), before = structuredClone(this._now);
    try {
      // Other pages have other streams.
      if (file.streams?.length === before.streams.length) this._now.streams = file.streams;
      for (const mark of this._told.state.marks) this._mark(mark, mark[0].reduce((x, k) => x?.[k], file.tree));
      this._put(file);
    } catch (error) {
      this._now = before;
      throw error;
    }
  }

  _put({ tensors }) {
    const rows = this._told.state.tensors.map((x) => {
      const { dtype, shape, data } = tensors[x.name] ?? fail(`the state that came has no ${x.name}`);
      const is = `${dtype} [${shape}] of ${data.length} bytes`;
      if (is !== x.told) fail(`${x.name} came as ${is}, and ${x.told} is needed`);
      return [x.buffer, dtype === "BOOL" ? Uint32Array.from(data) : data];
    });
    for (const row of rows) this._write(...row);
  }

  /** Return the text of a number in the state's description, after taking over what came for it. */
  _mark([path, isFloat, kind, i, at], came) {
    const { counters, settings, streams } = this._now, rows = this._told.tables[kind === "table" ? i : -1];
    if (kind === "seed") {
      if (came !== undefined) streams[i].splice(0, 2, ...words(came));
      return (BigInt(streams[i][1]) << 32n) + BigInt(streams[i][0]);
    }
    const [all, k] = { count: [counters, i], table: [counters, at], setting: [settings, i], drawn: [streams[i], 2] }[kind];
    if (came !== undefined) {
      const first = rows?.indexOf(came), fits = rows ? first >= 0 : Number.isFinite(came);
      if (!fits) fail(`${came} came for ${path.at(-1)}, which no step here leads to`);
      if (first === rows?.lastIndexOf(came)) all[k] = first ?? came;
    }
    const x = rows ? rows[all[k]] : all[k];
    return isFloat && Number.isInteger(x) ? x.toFixed(1) : JSON.stringify(x);
  }

  /** Start the random stream of a seed, as wg.manual_seed does. */
  seed(/** @type {number | bigint} */ n) {
    const start = words(n);
    for (const i of this._told.global) this._now.streams[i] = [...start, 0];
  }

  /** The settings of optimizers by their names in the state, such as "1.param_groups.0.lr". */
  get settings() {
    return Object.fromEntries(this._told.settings.map((x, i) => [x.name, this._now.settings[i]]));
  }

  /** Change a setting from the next run on. */
  set(/** @type {string} */ name, /** @type {number} */ value) {
    const i = this._told.settings.findIndex((x) => x.name === name && !x.fixed);
    if (i < 0) fail(`${name} is no setting that a page may change`);
    this._now.settings[i] = Number.isFinite(value) ? value : fail(`${value} came for ${name}, and a number is needed`);
  }

  /**
   * Run all programs as they were exported, beside this model, and compare with what NumPy computed.
   * @returns {Promise<{ok: boolean, worst: number, rows: {output: string, error: number}[]}>}
   */
  async selftest(tolerance = 1e-3) {
    const rows = [], { tensors } = unpack(this._files["expected.safetensors"]);
    const values = (path, x) => new (shownAs(x.dtype))(tensors[path].data.buffer);
    const m = await new Model(this._content, this._files, this.device, this._kernels)._build();
    for (const { name, inputs, outputs } of m._programs) {
      const given = Object.fromEntries(inputs.map((x) => [x.name, values(`${name}/in/${x.name}`, x)]));
      for (let n = 0; n < m._told.runs; n++) {
        const out = await m.run(name, given);
        for (const x of outputs) {
          const output = `${name}/${n}/${x.name}`;
          rows.push({ output, error: difference(out[x.name], values(output, x)) });
        }
      }
    }
    m._buffers.forEach((x) => x.destroy());
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
  const x = /^\d+$/.test(n) ? BigInt(n) : -1n;
  if (x >> 64n) fail(`${n} is no seed: an integer from 0 to 2**64 - 1 is needed`);
  return [Number(x & 0xffffffffn), Number(x >> 32n)];
}

/** What came for an input, as the GPU's memory has it. */
function held(p, x, value) {
  const all = typeof value === "object" ? value : [value], n = value == null ? "none" : all.length;
  if (n !== x.size) fail(`${p.name} needs ${x.name}, ${x.dtype} [${x.shape}]: ${x.size} numbers, and ${n} came`);
  const is = (v, wanted) => fail(`${p.name}: ${x.name} holds ${v}, and ${wanted} needed`);
  for (const [places, least, greatest, besides] of x.ranges) {
    for (let i = 0; i < (places ?? all).length; i++) {
      const v = all[places?.[i] ?? i];
      if (!(v >= least && v <= greatest) && v !== besides) is(v, `integers from ${least} to ${greatest} are`);
    }
  }
  if (all instanceof ARRAYS[x.dtype] && x.dtype !== "bool") return all;
  for (let i = 0; i < n; i++) {
    const v = all[i], n = x.held[i] = Number(v), taken = x.dtype === "float32" ? n : x.held[i];
    if ((taken != v && !Object.is(taken, v)) || (x.dtype === "bool" && taken > 1)) is(v, `${x.dtype} is`);
  }
  return x.held;
}
