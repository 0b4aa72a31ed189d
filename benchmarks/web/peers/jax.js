// jax-js, the whole step under jit. Arrays are owned: `.ref` keeps one that is used again.

import { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad }
  from "/npm/@jax-js/jax/dist/index.js";

export async function about() {
  const devices = await init("webgpu");
  if (!devices.includes("webgpu")) throw new Error("it starts no WebGPU");
  defaultDevice("webgpu");
  return "jax-js 0.1.25 (webgpu)";
}

const HEADS = 4;
const cross = (logits, y) => np.mean(np.sum(np.multiply(nn.logSoftmax(logits), nn.oneHot(y, 10)), -1)).mul(-1);

const losses = {
  mlp(w, x, y) {
    const hidden = nn.relu(np.matmul(x, w.w1).add(w.b1));
    return cross(np.matmul(hidden, w.w2).add(w.b2), y);
  },
  cnn(w, x, y) {
    const conv = (a, name) => lax.convGeneralDilated(a, w[name], [1, 1], "SAME");
    let h = nn.relu(conv(x, "stem"));
    for (const i of [0, 1]) h = nn.relu(h.ref.add(conv(nn.relu(conv(h, `in${i}`)), `out${i}`)));
    return cross(np.matmul(np.mean(h, [2, 3]), w.head).add(w.bias), y);
  },
  attention(w, x, y) {
    const [batch, length, width] = x.shape;
    const parts = np.matmul(x.ref, w.qkv).reshape([batch, length, 3, HEADS, width / HEADS]);
    const [q, k, v] = np.split(parts, 3, 2).map((p) => p.reshape([batch, length, HEADS, width / HEADS]));
    const found = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([batch, length, width]);
    return np.mean(np.square(x.add(np.matmul(found, w.out)).sub(y)));
  },
};

export async function make(problem) {
  const loss = losses[problem.name];
  const step = jit((weights, x, y) => {
    const [value, slopes] = valueAndGrad(loss)(tree.ref(weights), x, y);
    const changed = {};
    for (const name of Object.keys(weights)) changed[name] = weights[name].sub(slopes[name].mul(problem.lr));
    return [value, changed];
  });
  const array = ({ data, shape }) =>
    np.array(data, { dtype: data instanceof Int32Array ? np.int32 : np.float32 }).reshape(shape);
  let weights = {}, last;
  for (const [name, x] of Object.entries(problem.weights)) weights[name] = array(x);
  await blockUntilReady(weights);
  return {
    step(x, y) {
      last?.dispose();
      [last, weights] = step(weights, array({ data: x, shape: problem.x.shape }),
        array({ data: y, shape: problem.y.shape }));
    },
    loss: async () => (await last.ref.data())[0],
    dispose() {
      last.dispose();
      tree.dispose(weights);
    },
  };
}
