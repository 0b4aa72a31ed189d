// One page, one run: every contender makes the same steps, in alternating rounds, and posts its times.
//
// A contender is a module of peers/ with `about()`, and `make(problem)`, which returns
//   step(x, y)   hands a batch over and returns (or promises) when it has been submitted
//   loss()       promises the loss of the last step, as a number
// A problem is {name, lr, x, y, weights: {name: {shape, data}}, folder}, with typed arrays.

const table = document.getElementById("table");
const post = (kind, value) => fetch(`/told/${kind}`, { method: "POST", body: JSON.stringify(value) });
const say = (text) => {
  document.getElementById("now").textContent = text;
  return post("now", text);
};
const median = (xs) => [...xs].sort((a, b) => a - b)[xs.length >> 1];
const ARRAYS = { float32: Float32Array, int32: Int32Array };

async function array({ url, shape, dtype }) {
  return { shape, data: new ARRAYS[dtype](await (await fetch(url)).arrayBuffer()) };
}

async function fetched(problem) {
  const weights = {};
  for (const [name, x] of Object.entries(problem.weights)) weights[name] = await array(x);
  return { ...problem, x: await array(problem.x), y: await array(problem.y), weights };
}

/** The first steps of a contender: from its making to the first loss, and the losses. */
async function started(module, problem, steps) {
  const start = performance.now();
  const made = await module.make(problem);
  const losses = [];
  let first = 0;
  for (let i = 0; i < steps; i++) {
    await made.step(problem.x.data, problem.y.data);
    losses.push(await made.loss());
    first ||= performance.now() - start;
  }
  return { made, first, losses };
}

async function reading(made, problem, count) {
  const times = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await made.step(problem.x.data, problem.y.data);
    await made.loss();
    times.push(performance.now() - start);
  }
  return median(times);
}

async function running(made, problem, count) {
  await made.loss();
  const start = performance.now();
  for (let i = 0; i < count; i++) await made.step(problem.x.data, problem.y.data);
  await made.loss();
  return (performance.now() - start) / count;
}

async function measure(problem, modules, plan) {
  const rows = {};
  for (const [name, module] of Object.entries(modules)) {
    await say(`${problem.work}: ${name} starts`);
    try {
      rows[name] = { ...await started(module, problem, plan.steps), reading: [], running: [] };
      await say(`${problem.work}: ${name}, first step ${rows[name].first.toFixed(0)} ms`);
    } catch (error) {
      rows[name] = { absent: String(error.message ?? error).slice(0, 300) };
    }
  }
  for (let round = 0; round < plan.rounds; round++) {
    const order = Object.entries(rows);
    if (round % 2) order.reverse();
    for (const [name, row] of order) {
      if (!row.made) continue;
      await say(`${problem.work}: round ${round + 1} of ${plan.rounds}, ${name}`);
      try {
        row.reading.push(await reading(row.made, problem, plan.count));
        row.running.push(await running(row.made, problem, plan.count));
      } catch (error) {
        row.absent = String(error.message ?? error).slice(0, 300);
        delete row.made;
      }
    }
  }
  for (const row of Object.values(rows)) {
    row.made?.dispose?.();
    delete row.made;
  }
  return rows;
}

function show(work, rows) {
  const head = [work, "first step", "a step, loss read", "a step"];
  const cells = [head, ...Object.entries(rows).map(([name, x]) => x.absent ? [name, x.absent, "", ""] :
    [name, x.first, median(x.reading), median(x.running)].map((v) => typeof v === "number" ? `${v.toFixed(1)} ms` : v))];
  for (const line of cells) {
    const tr = table.insertRow();
    for (const text of line) tr.insertCell().textContent = text;
  }
}

async function main() {
  const plan = await (await fetch("/plan")).json();
  const modules = {}, about = {};
  for (const [name, file] of Object.entries(plan.contenders)) {
    try {
      modules[name] = await import(file);
      about[name] = await modules[name].about();
    } catch (error) {
      delete modules[name];
      about[name] = `absent: ${String(error.message ?? error).slice(0, 300)}`;
    }
  }
  const adapter = await navigator.gpu.requestAdapter();
  const { vendor, architecture, description } = adapter.info;
  await post("about", { contenders: about, agent: navigator.userAgent,
    adapter: [vendor, architecture, description].filter(Boolean).join(" ") });
  for (const problem of plan.problems) {
    const rows = await measure(await fetched(problem), modules, plan);
    show(problem.work, rows);
    await post("rows", { problem: problem.name, rows });
  }
  document.getElementById("now").textContent = "done";
  await post("done", {});
}

main().catch((error) => post("failed", String(error.stack ?? error)));
