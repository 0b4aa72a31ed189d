// The dispatches of an export, written out by hand: one encoder, one pass, one submit, and nothing else.
// Kernels, bind groups and buffers are those of the export, so that only the loop around them differs.

export const about = () => "the same dispatches, by hand";

export async function make(problem) {
  const { load } = await import(`${problem.folder}wgrad.js`);
  const m = await load(problem.folder);
  const { device } = m, { queue } = device;
  const [program] = m._programs;
  const [x, y] = ["x", "y"].map((name) => m._buffer(program.inputs.find((i) => i.name === name).buffer));
  const loss = m._buffer(program.outputs[0].buffer);
  const copies = program.copies.map(([from, to, n]) => [m._buffer(from), m._buffer(to), n]);
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const staging = device.createBuffer({ size: 4, usage });
  return {
    step(xs, ys) {
      queue.writeBuffer(x, 0, xs);
      queue.writeBuffer(y, 0, ys);
      const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
      for (const { pipeline, bound, groups } of program.launches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bound);
        pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
      }
      pass.end();
      for (const [from, to, n] of copies) encoder.copyBufferToBuffer(from, 0, to, 0, n);
      queue.submit([encoder.finish()]);
    },
    async loss() {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(loss, 0, staging, 0, 4);
      queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const [value] = new Float32Array(staging.getMappedRange());
      staging.unmap();
      return value;
    },
    dispose: () => device.destroy(),
  };
}
