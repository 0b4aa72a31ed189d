// What wg.export.web wrote: its folder has the module that runs it.

const load = async ({ folder }) => (await import(`${folder}wgrad.js`)).load(folder);

export const about = () => "wgrad, exported";

export async function make(problem) {
  const m = await load(problem);
  return {
    step: (x, y) => m.step({ x, y }),
    loss: async () => (await m.read("loss"))[0],
    dispose: () => m.device.destroy(),
  };
}
