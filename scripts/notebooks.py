"""Run the notebooks of docs/notebooks, and store what their cells give.

    python scripts/notebooks.py            all of them, or those whose names are given

They are run by nbclient and ipykernel (the extra dev). A cell with the tag "varies" gives something
else on every machine: adapters, times.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"


def run(path: Path) -> Any:
    """Return a notebook with the outputs that its cells give now."""
    import nbclient
    import nbformat

    client = nbclient.NotebookClient(
        nbformat.read(path, as_version=4),
        kernel_name="python3",
        extra_arguments=["--Application.log_level=40"],  # no word of how it is connected
        startup_timeout=120,
        timeout=120,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    return client.execute()


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

    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        book = run(path)
        book.metadata = {  # no versions, which differ from machine to machine
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(book, path)
        print(f"{path.name}: {sum(c.cell_type == 'code' for c in book.cells)} cells ran")


if __name__ == "__main__":
    main(sys.argv[1:])
