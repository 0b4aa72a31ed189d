// TensorFlow.js on its WebGPU backend, in its own layout of images (channels last).

const script = (src) => new Promise((resolve, reject) => {
  const element = Object.assign(document.createElement("script"), { src, onload: resolve });
  element.onerror = () => reject(new Error(`${src} is missing: npm install --prefix benchmarks/web`));
  document.head.append(element);
});

export async function about() {
  await script("/npm/@tensorflow/tfjs/dist/tf.min.js");
  await script("/npm/@tensorflow/tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js");
  if (!await tf.setBackend("webgpu")) throw new Error("its WebGPU backend does not start");
  await tf.ready();
  return `TF.js ${tf.version.tfjs} (${tf.getBackend()})`;
}

const HEADS = 4;

const losses = {
  mlp(w, x, y) {
    const hidden = tf.relu(tf.add(tf.matMul(x, w.w1), w.b1));
    return tf.losses.softmaxCrossEntropy(tf.oneHot(y, 10), tf.add(tf.matMul(hidden, w.w2), w.b2));
  },
  cnn(w, x, y) {
    const conv = (a, name) => tf.conv2d(a, w[name], 1, "same");
    let h = tf.relu(conv(x, "stem"));
    for (const i of [0, 1]) h = tf.relu(tf.add(h, conv(tf.relu(conv(h, `in${i}`)), `out${i}`)));
    const logits = tf.add(tf.matMul(tf.mean(h, [1, 2]), w.head), w.bias);
    return tf.losses.softmaxCrossEntropy(tf.oneHot(y, 10), logits);
  },
  attention(w, x, y, mask) {
    const [batch, length, width] = x.shape;
    const flat = tf.reshape(x, [batch * length, width]);
    const parts = tf.split(tf.matMul(flat, w.qkv), 3, 1).map((part) =>
      tf.transpose(tf.reshape(part, [batch, length, HEADS, width / HEADS]), [0, 2, 1, 3]));
    const scores = tf.mul(tf.matMul(parts[0], parts[1], false, true), (width / HEADS) ** -0.5);
    const found = tf.matMul(tf.softmax(tf.add(scores, mask)), parts[2]);
    const joined = tf.reshape(tf.transpose(found, [0, 2, 1, 3]), [batch * length, width]);
    return tf.mean(tf.square(tf.sub(tf.add(flat, tf.matMul(joined, w.out)), tf.reshape(y, flat.shape))));
  },
};

/** Channels last: weights once, and the images of every batch. */
function moved(data, shape, order) {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const out = new data.constructor(data.length), to = order.map((i) => shape[i]), by = order.map((i) => strides[i]);
  let at = 0;
  for (let a = 0; a < to[0]; a++) for (let b = 0; b < to[1]; b++) for (let c = 0; c < to[2]; c++)
    for (let d = 0; d < to[3]; d++) out[at++] = data[a * by[0] + b * by[1] + c * by[2] + d * by[3]];
  return { data: out, shape: to };
}

export async function make(problem) {
  const variables = {};
  for (const [name, x] of Object.entries(problem.weights)) {
    const { data, shape } = x.shape.length === 4 ? moved(x.data, x.shape, [2, 3, 1, 0]) : x;
    variables[name] = tf.variable(tf.tensor(data, shape));
  }
  const optimizer = tf.train.sgd(problem.lr), list = Object.values(variables);
  const images = problem.x.shape.length === 4 && moved(problem.x.data, problem.x.shape, [0, 2, 3, 1]);
  const length = problem.x.shape[1];
  const mask = problem.name === "attention" && tf.tensor(Float32Array.from({ length: length * length },
    (_, i) => i % length > Math.floor(i / length) ? -1e9 : 0), [length, length]);
  let last;
  return {
    step(x, y) {
      const cost = tf.tidy(() => {
        const a = images ? tf.tensor(images.data, images.shape) : tf.tensor(x, problem.x.shape);
        const b = tf.tensor(y, problem.y.shape, y instanceof Int32Array ? "int32" : "float32");
        return optimizer.minimize(() => losses[problem.name](variables, a, b, mask), true, list);
      });
      last?.dispose();
      last = cost;
    },
    loss: async () => (await last.data())[0],
    dispose: () => tf.dispose([last, list, mask || []]),
  };
}
