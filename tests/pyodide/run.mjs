// Runs a Python file in Pyodide, under node: node run.mjs FOLDER FILE, where FOLDER holds wgrad.
// NumPy comes from a wheel beside this file (numpy-*.whl), and else from Pyodide's own server.
// What the file prints is printed; "absent: ..." where there is no Pyodide or no NumPy.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const [folder, file] = process.argv.slice(2);

async function prepared() {
  const { loadPyodide } = await import("pyodide");
  const python = await loadPyodide();
  const wheel = fs.readdirSync(here).find((x) => /^numpy-.*\.whl$/.test(x));
  if (wheel) {
    python.unpackArchive(new Uint8Array(fs.readFileSync(path.join(here, wheel))), "wheel");
  } else {
    await python.loadPackage("numpy", { messageCallback: () => {} });
  }
  python.runPython("import numpy");
  return python;
}

let python;
try {
  python = await prepared();
} catch (error) {
  console.log(`absent: ${String(error.message ?? error).trim().split("\n").at(-1)}`);
  process.exit(0);
}
python.FS.mkdir("/wgrad");
python.FS.mount(python.FS.filesystems.NODEFS, { root: folder }, "/wgrad");
try {
  python.runPython('import sys; sys.dont_write_bytecode = True; sys.path.insert(0, "/wgrad")');
  python.runPython(fs.readFileSync(file, "utf-8"));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
