"""The notebooks of docs/notebooks run, and give what is stored in them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason='pip install "wgrad[dev]" brings nbclient')
pytest.importorskip("nbclient", reason='pip install "wgrad[dev]" brings nbclient')
pytest.importorskip("ipykernel", reason='pip install "wgrad[dev]" brings ipykernel')
pytest.importorskip("matplotlib", reason='pip install "wgrad[viz]" brings matplotlib')
pytest.importorskip("grandalf", reason='pip install "wgrad[viz]" brings grandalf')

ROOT = Path(__file__).parent.parent
BOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def script() -> ModuleType:
    """Return scripts/notebooks.py as a module."""
    spec = importlib.util.spec_from_file_location("notebooks", ROOT / "scripts" / "notebooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_cells_give_what_is_stored(tmp_path, monkeypatch):
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # the products are small, and waiting costs
    notebooks = script()
    for path, book in zip(BOOKS, notebooks.run(BOOKS), strict=True):
        stored = nbformat.read(path, as_version=4)
        given = notebooks.texts(book)
        assert given == notebooks.texts(stored), "python scripts/notebooks.py writes them anew"


def test_there_are_two_and_all_of_their_cells_ran():
    assert [path.stem for path in BOOKS] == ["first-steps", "own-shader"]
    for path in BOOKS:
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        code = [cell for cell in book.cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
        kinds = [kind for c in code for o in c.outputs for kind in o.get("data", {})]
        assert "image/png" in kinds
        assert not [o for c in code for o in c.outputs if o.output_type == "error"]


def test_texts_are_compared_pictures_are_not_and_what_varies_is_left_out():
    def cell(*outputs: Any, **metadata: Any) -> Any:
        return nbformat.v4.new_code_cell("", outputs=[*outputs], metadata=metadata)

    def data(**kinds: str) -> Any:
        kinds = {name.replace("_", "/"): value for name, value in kinds.items()}
        return nbformat.v4.new_output("execute_result", kinds, execution_count=1)

    book = nbformat.v4.new_notebook(
        cells=[
            cell(nbformat.v4.new_output("stream", text="said\n"), data(text_plain="5")),
            cell(data(text_plain="<Figure>", image_png="abcd")),
            cell(data(text_plain="2 ms"), tags=["varies"]),
        ]
    )
    assert script().texts(book) == ["said\n\n5", "image/png"]
