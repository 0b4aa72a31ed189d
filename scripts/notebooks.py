"""Run the notebooks of docs/notebooks, and store what their cells give.

    python scripts/notebooks.py            all of them, or those whose names are given

They are run by nbclient and ipykernel (the extra dev). A cell with the tag "varies" gives something
else on every machine: adapters, times.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"


def run(paths: Iterable[Path]) -> Iterator[Any]:
    """Yield notebooks with the outputs that their cells give now.

    One process runs them all, for it imports as long as their cells take; each starts without the
    names of the one before.
    """
    import nbclient
    import nbformat
    from jupyter_client.manager import KernelManager

    kernel = KernelManager(kernel_name="python3")
    # No word of how it is connected, and no file of what was typed.
    quiet = ["--Application.log_level=40", "--HistoryManager.enabled=False"]
    kernel.start_kernel(extra_arguments=quiet, cwd=str(FOLDER))
    try:
        for path in paths:
            book = nbformat.read(path, as_version=4)
            book.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
            client = nbclient.NotebookClient(
                book, km=kernel, startup_timeout=120, timeout=120, record_timing=False
            )
            try:
                client.execute()
            finally:
                if client.kc is not None:
                    client.kc.stop_channels()
            del book.cells[0]
            code = [cell for cell in book.cells if cell.cell_type == "code"]
            for number, cell in enumerate(code, 1):
                cell.execution_count = number
                for output in cell.outputs:
                    if "execution_count" in output:
                        output.execution_count = number
            yield book
    finally:
        kernel.shutdown_kernel(now=True)


def texts(book: Any) -> list[str]:
    """Return what each cell gives, as text: of a picture that there is one.

    What varies from machine to machine is left out.
    """
    found = []
    for cell in book.cells:
        if cell.cell_type != "code" or "varies" in cell.metadata.get("tags", ()):
            continue
        parts = []
        for output in cell.outputs:
            kinds = sorted(kind for kind in output.get("data", {}) if kind.startswith("image/"))
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            parts.append(" and ".join(kinds) if kinds else text)
        found.append("\n".join(parts))
    return found


def main(names: list[str]) -> None:
    """Run notebooks, and write them anew."""
    import nbformat

    every = sorted(FOLDER.glob("*.ipynb"))
    paths = [path for path in every if not names or path.stem in names]
    for path, book in zip(paths, run(paths), strict=True):
        book.metadata = {  # no versions, which differ from machine to machine
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(book, path)
        print(f"{path.name}: {sum(c.cell_type == 'code' for c in book.cells)} cells ran")


if __name__ == "__main__":
    main(sys.argv[1:])
