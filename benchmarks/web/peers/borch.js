// borch.ts, the step under its `compiled`, which records one step and replays it.

import * as borch from "/borch/_borch.js";

const { Tensor } = borch;

export async function about() {
  await borch.init();
  return `borch.ts ${borch.VERSION}`;
}

const HEADS = 4;

const losses = {
  mlp: (w, x, y) => x.matmul(w.w1).add(w.b1).relu().matmul(w.w2).add(w.b2).crossEntropy(y),
  cnn(w, x, y) {
    const conv = (a, name) => a.conv2d(w[name], null, 1, 1);
    let h = conv(x, "stem").relu();
    for (const i of [0, 1]) h = h.add(conv(conv(h, `in${i}`).relu(), `out${i}`)).relu();
    const [batch, channels, height, width] = h.shape;
    return h.reshape([batch, channels, height * width]).mean(2).matmul(w.head).add(w.bias).crossEntropy(y);
  },
  attention(w, x, y) {
    const [batch, length, width] = x.shape;
    const parts = x.matmul(w.qkv).chunk(3, 2)
      .map((p) => p.reshape([batch, length, HEADS, width / HEADS]).permute([0, 2, 1, 3]));
    const found = borch.nn.functional.scaledDotProductAttention(...parts, null, 0, true);
    const out = found.permute([0, 2, 1, 3]).reshape([batch, length, width]).matmul(w.out);
    const off = x.add(out).sub(y);
    return off.mul(off).mean();
  },
};

export async function make(problem) {
  const weights = {};
  for (const [name, { data, shape }] of Object.entries(problem.weights)) {
    weights[name] = Tensor.from(data, shape, { requiresGrad: true });
  }
  const optimizer = new borch.optim.SGD(Object.values(weights), problem.lr);
  const train = borch.compiled((x, y) => {
    optimizer.zeroGrad();
    const loss = losses[problem.name](weights, x, y);
    loss.backward();
    optimizer.step();
    return loss;
  });
  const dtype = problem.y.data instanceof Int32Array ? "int64" : "float32";
  let last;
  return {
    async step(x, y) {
      last = await train.call(Tensor.from(x, problem.x.shape), Tensor.from(y, problem.y.shape, { dtype }));
    },
    loss: () => last.item(),
    dispose: () => train.dispose?.(),
  };
}
