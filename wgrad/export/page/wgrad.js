/**
 * Runs programs that wgrad exported, on WebGPU. No dependency, no build.
 *
 *   const m = await load("folder/");
 *   const { loss } = await m.run("train", { x, y });   // or m.step(...), and m.read("loss") later
 *   const bytes = await m.state();                     // what wg.load reads
 *
 * wgrad/export/bundle.py and programs.py say what is in program.json.
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
const CODES = { float32: "F32", int32: "I32", uint32: "U32", bool: "BOOL" }; // of safetensors
const shownAs = (dtype) => (dtype === "bool" ? Uint8Array : ARRAYS[dtype]);
const up = (n, to) => Math.ceil(n / to) * to;
const count = (shape) => shape.reduce((a, b) => a * b, 1);
const fail = (text) => { throw new WgradError(text); };
const utf8 = (text) => new TextEncoder().encode(text), text = (bytes) => new TextDecoder().decode(bytes);

/**
 * Load an export: the URL of its folder, or {files: {name: base64 or bytes}}. `device` is one of
 * your own; without it, one is asked for. `progress` is told of kernels as they are compiled.
 * @param {string | URL | {files: Record<string, string | Uint8Array>}} source
 * @param {{device?: GPUDevice, progress?: (done: number, of: number) => void}} [options]
 * @returns {Promise<Model>}
 */
export async function load(source, { device, progress } = {}) {
  const raw = text(await bytesOf(source, "program.json"));
  const [, sum, inside] = /^\{"sha256":"([0-9a-f]{64})","content":(.*)\}$/s.exec(raw) ??
    fail("program.json is cut off, or no export of wgrad");
  if ((await sha256(utf8(inside))) !== sum) fail("program.json is not as it was exported: its checksum differs");
  const content = JSON.parse(inside);
  if (content.format !== "wgrad page" || content.version !== 1) {
    fail(`version ${content.version} of the format came, and this wgrad.js reads version 1`);
  }
  const gpu = device ?? await opened(content.limits);
  Object.entries(content.limits).forEach((limit) => enough(gpu.limits, limit));
  // Kernels that a chip runs fast take a program in its place long to compile.
  const { architecture = "", description = "", isFallbackAdapter } = gpu.adapterInfo ?? {};
  const software = isFallbackAdapter || /swiftshader|llvmpipe|warp/i.test(architecture + description);
  content.programs = content.programs[software ? "software" : "gpu"];
  const launches = Object.values(content.programs).flatMap((p) => p.launches);
  const kernels = new Set(launches.flatMap((x) => (x.hot ? [x.kernel, x.hot[0]] : [x.kernel])));
  const names = ["state", "constants", "expected"].map((x) => `${x}.safetensors`);
  /** @type {Record<string, Uint8Array>} */
  const files = {};
  await Promise.all([...names, ...[...kernels].map((k) => content.kernels[k].file)].map(async (name) => {
    const about = content.files[name], data = files[name] = await bytesOf(source, name);
    if (data.length !== about.bytes) fail(`${name} has ${data.length} bytes, and ${about.bytes} were exported`);
    if ((await sha256(data)) !== about.sha256) fail(`${name} is not as it was exported: its checksum differs`);
  }));
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

async function sha256(data) {
  // What is not secure enough for crypto.subtle is not secure enough for WebGPU either.
  const subtle = globalThis.crypto?.subtle ?? fail("this page has no WebGPU, for it is not secure: use https");
  const sum = new Uint8Array(await subtle.digest("SHA-256", data));
  return Array.from(sum, (x) => x.toString(16).padStart(2, "0")).join("");
}

function enough(limits, [name, least]) {
  if (limits[name] < least) fail(`this GPU offers ${name} ${limits[name]}, and the programs need ${least}`);
}

async function opened(limits) {
  const gpu = globalThis.navigator?.gpu ??
    fail("this browser has no WebGPU: Chrome and Edge 113, Safari 26 and Firefox 141 have it");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }) ??
    fail("this browser has WebGPU, but no GPU that it may use");
  Object.entries(limits).forEach((limit) => enough(adapter.limits, limit));
  return adapter.requestDevice({ requiredLimits: limits });
}

/** The metadata of a file of safetensors, and its tensors. */
function unpack(bytes) {
  const head = bytes.length < 8 ? NaN : 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (!(head <= bytes.length)) fail("the file of safetensors is cut off");
  const { __metadata__: metadata = {}, ...tensors } = JSON.parse(text(bytes.subarray(8, head)));
  for (const x of Object.values(tensors)) {
    const [first, last] = x.data_offsets;
    if (head + last > bytes.length) fail("the file of safetensors is cut off");
    x.data = bytes.slice(head + first, head + last);
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
    this._programs = content.programs;
    this._content = content;
    this._files = files;
    this._constants = unpack(files["constants.safetensors"]).tensors;
    this._buffers = []; // by their places in program.json
    this._ring = []; // memory that results are read through, some of which is on its way
    this._lost = "";
    device.lost.then((x) => { this._lost = x.message || x.reason; });
  }

  // Making it.
  _memory(size, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST) {
    return this.device.createBuffer({ size, usage });
  }

  _buffer(i) {
    if (!this._buffers[i]) {
      const [bytes, constant] = this._content.buffers[i];
      this._buffers[i] = this._memory(bytes);
      if (constant) this._write(i, this._constants[constant].data);
    }
    return this._buffers[i];
  }

  _write(i, data) {
    this.device.queue.writeBuffer(this._buffer(i), 0, data);
  }

  async _build(progress) {
    const { device, _content: content } = this, { COMPUTE } = GPUShaderStage;
    this._reset();
    this._kernels = content.kernels.map(({ file, label, bindings }) => {
      let made; // when it is asked for
      return () => made ??= (async () => {
        const entries = bindings.map(([binding, type]) => ({ binding, visibility: COMPUTE, buffer: { type } }));
        const layout = device.createBindGroupLayout({ entries });
        const module = device.createShaderModule({ label, code: text(this._files[file]) });
        const pipeline = await device.createComputePipelineAsync({ label, compute: { module, entryPoint: "main" },
          layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        }).catch((error) => fail(`the browser refused ${file}: ${error.message}`));
        return { pipeline, layout };
      })();
    });
    const programs = Object.entries(this._programs);
    const first = new Set(programs.flatMap(([, p]) => p.launches.map((x) => x.kernel)));
    let done = 0;
    await Promise.all([...first].map((k) => this._kernels[k]().then(() => progress(++done, first.size))));
    for (const [name, p] of programs) {
      const about = ({ name, dtype, shape }) => ({ name, dtype, shape });
      this.programs[name] = { inputs: p.inputs.map(about), outputs: p.outputs.map(about) };
      p.name = name;
      p.runs = 0;
      p.words = new Uint32Array(p.params);
      p.floats = new Float32Array(p.words.buffer);
      p.uniforms = this._memory(Math.max(4 * p.words.length, 16), GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
      device.queue.writeBuffer(p.uniforms, 0, p.words);
      p.values = p.numbers.map(() => 0);
      for (const x of [...p.inputs, ...p.outputs]) x.n = count(x.shape);
      for (const x of p.inputs) x.held = new ARRAYS[x.dtype](x.n);
      for (const x of p.launches) {
        x.resources = x.bindings.map(([binding, i, offset, size]) =>
          ({ binding, resource: { buffer: binding ? this._buffer(i) : p.uniforms, offset, size } }));
        await this._bind(x, x.kernel, x.groups);
      }
    }
  }

  /** Let a launch be one of a kernel. */
  async _bind(x, kernel, groups) {
    const { pipeline, layout } = await this._kernels[kernel]();
    Object.assign(x, { pipeline, groups, bound: this.device.createBindGroup({ layout, entries: x.resources }) });
  }

  /** Let the state, counters and random streams be those that were exported. */
  _reset() {
    const { counters, settings, streams } = this._content;
    this._counters = [...counters];
    this._settings = settings.map((x) => x.value);
    this._streams = streams.map((x) => [...x.seed, x.counter]);
    this._put(unpack(this._files["state.safetensors"]));
  }

  // Running it.
  /**
   * Submit a run, and return at once. With one program its name may be left out.
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
    const all = Object.values(this._programs).flatMap((p) => p.outputs.map((x) => ({ ...x, path: `${p.name}.${x.name}` })));
    const out = all.find((x) => x.name === name || x.path === name);
    if (out) return (await this._fetch([out]))[0];
    const x = this._content.state.tensors.find((y) => y.name === name) ?? fail(`${name} is neither an output nor in the state`);
    return (await this._tensors([x]))[0];
  }

  _chosen(name, inputs) {
    const names = Object.keys(this._programs);
    if (typeof name !== "string") {
      if (names.length > 1) fail(`there are ${names.join(", ")}: say which one is to run`);
      return [this._programs[names[0]], name];
    }
    return [this._programs[name] ?? fail(`${name} is no program; there are ${names.join(", ")}`), inputs];
  }

  _submit(p, given = {}, copy = null) {
    const { queue } = this.device;
    if (this._lost) fail(`the GPU was lost: ${this._lost}`);
    for (const x of p.inputs) check(p, x, given[x.name]);
    for (const name in given) if (!p.inputs.some((x) => x.name === name)) fail(`${p.name} takes no ${name}`);
    this._count(p);
    for (const x of p.inputs) this._write(x.buffer, taken(x, given[x.name]));
    for (const [at, n, isFloat] of p.places) (isFloat ? p.floats : p.words)[at] = p.values[n];
    for (const [at, s, offset] of p.draws) {
      const stream = this._streams[s], first = stream[2] + offset, block = Math.floor(first / 2);
      p.words[at] = stream[0];
      p.words[at + 1] = stream[1];
      p.words[at + 2] = block % 2 ** 32;
      p.words[at + 3] = block / 2 ** 32;
      p.words[at + 4] = first % 2;
    }
    for (const [s, n] of p.takes) this._streams[s][2] += n;
    if (p.live) queue.writeBuffer(p.uniforms, 0, p.words, 0, p.live);
    const encoder = this.device.createCommandEncoder(), pass = encoder.beginComputePass();
    for (const x of p.launches) {
      pass.setPipeline(x.pipeline);
      pass.setBindGroup(0, x.bound);
      pass.dispatchWorkgroups(x.groups[0], x.groups[1], x.groups[2]);
    }
    pass.end();
    for (const [from, to, bytes] of p.copies) encoder.copyBufferToBuffer(this._buffer(from), 0, this._buffer(to), 0, bytes);
    copy?.(encoder);
    queue.submit([encoder.finish()]);
    p.runs++; // kernels that are faster and take longer to compile come into place when they pay
    for (const x of p.launches) if (x.hot?.[2] === p.runs) this._bind(x, x.hot[0], x.hot[1]);
  }

  /** Count a run, and compute the numbers that it reads; if that fails nothing has changed. */
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
    const [what, a, b, c, ends] = x;
    switch (what) {
      case "count": return this._counters[a] - b;
      case "setting": return this._settings[a];
      case "turn": return this._scheduled(a, b, c);
      case "table": {
        const at = this._value(a) - b;
        if (at >= c.length && !ends) fail(`numbers were exported for ${c.length} steps, which are done`);
        return c[Math.min(at, c.length - 1)];
      }
      case "sqrt": return Math.sqrt(this._value(a));
      case "abs": return Math.abs(this._value(a));
    }
    const l = this._value(a), r = this._value(b);
    return what === "+" ? l + r : what === "-" ? l - r : what === "*" ? l * r : what === "/" ? l / r : l ** r;
  }

  _scheduled(setting, counter, less) {
    const rows = this._content.schedules[counter][setting];
    return rows[this._counters[counter] - less] ?? fail(`a schedule was exported for ${rows.length - 1} turns, which are done`);
  }

  /** Return what buffers hold, after a look at what runs have noted of wrong indices. */
  async _fetch(rows, submit = null) {
    const watched = Object.values(this._programs).flatMap((p) => (p.faults ? [p.faults] : []));
    const all = [...rows, ...watched.map(([buffer, checks]) => ({ buffer, dtype: "int32", n: 2 * checks.length }))];
    const size = all.reduce((end, x) => end + up(4 * x.n, 16), 16);
    let slot = this._ring.find((x) => !x.busy && x.memory.size >= size);
    if (!slot) {
      slot = { busy: true, memory: this._memory(up(size, 1024), GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST) };
      this._ring.push(slot);
    }
    const copy = (encoder) => {
      let at = 0;
      for (const x of all) {
        if (x.n) encoder.copyBufferToBuffer(this._buffer(x.buffer), 0, slot.memory, at, 4 * x.n);
        at += up(4 * x.n, 16);
      }
    };
    if (submit) submit(copy);
    else {
      const encoder = this.device.createCommandEncoder();
      copy(encoder);
      this.device.queue.submit([encoder.finish()]);
    }
    slot.busy = true;
    await slot.memory.mapAsync(GPUMapMode.READ, 0, size).catch((e) => fail(`the GPU gave no answer: ${this._lost || e.message}`));
    const mapped = slot.memory.getMappedRange(0, size);
    let at = 0;
    const values = all.map((x) => {
      const view = new ARRAYS[x.dtype](mapped, at, x.n);
      at += up(4 * x.n, 16);
      return shownAs(x.dtype).from(view);
    });
    slot.memory.unmap();
    slot.busy = false;
    watched.forEach(([buffer, checks], i) => {
      const notes = values[rows.length + i], which = checks.findIndex((_, n) => notes[2 * n]);
      if (which < 0) return;
      this._write(buffer, new Uint32Array(notes.length));
      const worst = notes[2 * which + 1], said = checks[which];
      fail(said.text.replaceAll("{}", String(said.unsigned ? worst >>> 0 : worst)));
    });
    return values;
  }

  // State.
  /** Return the state as a file of safetensors, which wg.load reads. @returns {Promise<Uint8Array>} */
  async state() {
    const { json, tensors } = this._content.state;
    const tree = JSON.stringify({ version: 1, value: this._described(json) }).replace(/"#(\d+)"/g, "$1");
    const header = { __metadata__: { format: "pt", wgrad: tree, streams: JSON.stringify(this._streams) } };
    const rows = [...tensors].sort((a, b) => Number(a.dtype === "bool") - Number(b.dtype === "bool"));
    const values = await this._tensors(rows);
    let end = 0;
    rows.forEach((x, i) => {
      header[x.name] = { dtype: CODES[x.dtype], shape: x.shape, data_offsets: [end, end += values[i].byteLength] };
    });
    const head = utf8(JSON.stringify(header)), size = up(head.length, 8);
    const bytes = new Uint8Array(8 + size + end).fill(32);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(size), true);
    bytes.set(head, 8);
    rows.forEach((x, i) => bytes.set(new Uint8Array(values[i].buffer), 8 + size + header[x.name].data_offsets[0]));
    return bytes;
  }

  /** Take over a state that `state()`, or wg.save in Python, has written. */
  async restore(/** @type {Uint8Array} */ bytes) {
    const file = unpack(bytes), { wgrad, streams } = file.metadata;
    this._put(file);
    if (streams) this._streams = JSON.parse(streams);
    // Integers that numbers of JavaScript would round come as text.
    const tree = JSON.parse((wgrad ?? "{}").replace(/([[,:] ?)(\d{16,})(?= ?[,\]}])/g, '$1"$2"'));
    this._noted(this._content.state.json, tree.value);
  }

  _put({ tensors }) {
    const rows = this._content.state.tensors.map((x) => {
      const came = tensors[x.name] ?? fail(`the state that came has no ${x.name}`);
      if (came.dtype !== CODES[x.dtype] || String(came.shape) !== String(x.shape)) {
        fail(`${x.name} came as ${came.dtype} [${came.shape}], and ${CODES[x.dtype]} [${x.shape}] is needed`);
      }
      return [x, x.dtype === "bool" ? Uint32Array.from(came.data) : new Uint32Array(came.data.buffer)];
    });
    for (const [x, data] of rows) {
      if (!x.strides) this._write(x.buffer, data);
      else each(x, (at, i) => this.device.queue.writeBuffer(this._buffer(x.buffer), 4 * at, data, i, 1));
    }
  }

  async _tensors(rows) {
    const bytes = ({ buffer }) => this._content.buffers[buffer][0];
    const values = await this._fetch(rows.map((x) => ({ ...x, n: x.strides ? bytes(x) / 4 : count(x.shape) })));
    return rows.map((x, i) => {
      if (!x.strides) return values[i];
      const dense = new (shownAs(x.dtype))(count(x.shape));
      each(x, (at, n) => { dense[n] = values[i][at]; });
      return dense;
    });
  }

  /** The description of the state, with numbers as they are now in the places of its marks. */
  _described(x) {
    if (x === null || typeof x !== "object") return x;
    if (Array.isArray(x)) return x.map((y) => this._described(y));
    if (x.$ !== "mark") return Object.fromEntries(Object.entries(x).map(([k, y]) => [k, this._described(y)]));
    if ("count" in x) return this._counters[x.count];
    if ("turns" in x) return x.values[this._counters[x.turns]];
    if ("drawn" in x) return this._streams[x.drawn][2];
    if ("seed" in x) return `#${(BigInt(this._streams[x.seed][1]) << 32n) + BigInt(this._streams[x.seed][0])}`;
    const [counter] = Object.entries(this._content.schedules).find(([, rows]) => x.setting in rows) ?? [];
    return counter ? this._scheduled(x.setting, counter, 0) : this._settings[x.setting];
  }

  /** Take over the numbers of a description. */
  _noted(x, came) {
    if (x === null || typeof x !== "object" || came === undefined) return;
    if (x.$ !== "mark") for (const k in x) this._noted(x[k], came?.[k]);
    else if ("count" in x) this._counters[x.count] = Number(came);
    else if ("drawn" in x) this._streams[x.drawn][2] = Number(came);
    else if ("seed" in x) this._streams[x.seed].splice(0, 2, ...words(came));
    else if ("setting" in x) this._settings[x.setting] = came;
    else if (x.values.indexOf(came) === x.values.lastIndexOf(came)) this._counters[x.turns] = x.values.indexOf(came);
  }

  /** Start the random stream of a seed, as wg.manual_seed does. */
  seed(/** @type {number | bigint} */ n) {
    const start = [...words(n), 0];
    this._content.streams.forEach((x, i) => { if (x.global) this._streams[i] = [...start]; });
  }

  /** The settings of optimizers by their names in the state, such as "1.param_groups.0.lr". */
  get settings() {
    return Object.fromEntries(this._content.settings.map((x, i) => [x.name, this._settings[i]]));
  }

  /** Change a setting from the next run on. */
  set(/** @type {string} */ name, /** @type {number} */ value) {
    const i = this._content.settings.findIndex((x) => x.name === name);
    if (i < 0) fail(`${name} is no setting; there are ${Object.keys(this.settings).join(", ")}`);
    if (this._content.settings[i].fixed) fail(`${name} cannot be set: numbers that follow from it were exported`);
    this._settings[i] = value;
  }

  /**
   * Run all programs on the inputs that they were exported with, from the state that was exported,
   * and compare with what NumPy computed. Afterwards all is as it was.
   * @returns {Promise<{ok: boolean, worst: number, rows: {output: string, error: number}[]}>}
   */
  async selftest(tolerance = 1e-3) {
    const { tensors } = unpack(this._files["expected.safetensors"]), rows = [];
    const { _counters, _settings, _streams } = this, used = this._buffers.filter(Boolean);
    const kept = used.map((x) => this._memory(x.size));
    const move = (from, to) => {
      const encoder = this.device.createCommandEncoder();
      from.forEach((x, i) => encoder.copyBufferToBuffer(x, 0, to[i], 0, x.size));
      this.device.queue.submit([encoder.finish()]);
    };
    const values = (key) => {
      const { dtype, data } = tensors[key], kind = Object.keys(CODES).find((x) => CODES[x] === dtype);
      return new (shownAs(kind))(data.buffer);
    };
    move(used, kept);
    try {
      this._reset();
      for (const [name, p] of Object.entries(this._programs)) {
        const given = Object.fromEntries(p.inputs.map((x) => [x.name, values(`${name}/in/${x.name}`)]));
        for (let n = 0; p.outputs.some((x) => `${name}/${n}/${x.name}` in tensors); n++) {
          for (const [key, out] of Object.entries(await this.run(name, given))) {
            const output = `${name}/${n}/${key}`;
            rows.push({ output, error: difference(out, values(output)) });
          }
        }
      }
    } finally {
      move(kept, used);
      kept.forEach((x) => x.destroy());
      Object.assign(this, { _counters, _settings, _streams });
    }
    const worst = Math.max(0, ...rows.map((x) => x.error));
    return { ok: worst <= tolerance, worst, rows };
  }
}

/** The largest difference, as a part of the largest number. */
function difference(a, b) {
  let most = 0, scale = 0;
  for (let i = 0; i < b.length; i++) {
    if (Number.isFinite(b[i])) scale = Math.max(scale, Math.abs(b[i]));
    if (!Object.is(a[i], b[i])) most = Math.max(most, Number.isNaN(a[i] - b[i]) ? Infinity : Math.abs(a[i] - b[i]));
  }
  return most / (scale || 1);
}

/** The two words of a seed. */
function words(n) {
  const x = /^\d+$/.test(String(n)) ? BigInt(n) : -1n;
  if (x < 0n || x >= 2n ** 64n) fail(`${n} is no seed: an integer from 0 to 2**64 - 1 is needed`);
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
  const length = typeof value === "number" || typeof value === "boolean" ? 1 : value?.length;
  if (length !== x.n) {
    fail(`${p.name} needs ${x.name}, ${x.dtype} [${x.shape}]: ${x.n} numbers, and ${length ?? "none"} came`);
  }
  for (const [shape, strides, offset, least, greatest, besides] of x.ranges) {
    each({ shape, strides, offset }, (at) => {
      const v = typeof value === "object" ? value[at] : value;
      if (!(v >= least && v <= greatest) && v !== besides) {
        fail(`${p.name}: ${x.name} holds ${v}, and integers from ${least} to ${greatest} are needed`);
      }
    });
  }
}

/** What came for an input, as the GPU's memory has it. */
function taken(x, value) {
  if (value instanceof ARRAYS[x.dtype] && x.dtype !== "bool") return value;
  if (typeof value === "object") x.held.set(value);
  else x.held[0] = Number(value);
  return x.held;
}
