"""Sets by name, files of one's own, and transforms of images."""

from __future__ import annotations

import numpy as np
import pytest

import wgrad as wg
from wgrad.data import DataLoader, ImageFolder, read_arrays, read_csv
from wgrad.data import transforms as T
from wgrad.errors import ArgumentError, DTypeError, MissingDependencyError, ShapeError


def test_sets_are_scikit_learns(device):
    sets = pytest.importorskip("sklearn.datasets")
    digits = wg.data.load("digits")
    x, y = digits.tensors
    assert x.shape == (1797, 1, 8, 8) and y.dtype is wg.int32 and x.device is device
    theirs = sets.load_digits()
    np.testing.assert_array_equal(x.numpy().reshape(1797, 64) * 16, theirs.data)
    np.testing.assert_array_equal(y.numpy(), theirs.target)
    if device.name == "numpy":
        shapes = {"iris": (150, 4), "wine": (178, 13), "breast_cancer": (569, 30)}
        for name, shape in shapes.items():
            found = wg.data.load(name)
            assert found.tensors[0].shape == shape and len(found.feature_names) == shape[1]
            assert found.tensors[1].numpy().max() + 1 == len(found.target_names)
        diabetes = wg.data.load("diabetes")
        assert diabetes.tensors[1].shape == (442, 1) and diabetes.description
        pytest.importorskip("PIL")
        photo = wg.data.load("china")
        assert photo.shape == (3, 427, 640) and 0.9 < photo.max().item() <= 1


def test_sets_that_are_not_shipped_say_so(monkeypatch):
    with pytest.raises(ArgumentError, match="california is shipped by no package"):
        wg.data.load("california")
    with pytest.raises(ArgumentError, match="'moon' came, and one of breast_cancer"):
        wg.data.load("moon")
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r"load: .*wgrad\[data\]"):
        wg.data.load("iris")


def test_tables_have_their_columns_by_name(device, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,size, kind \n1,2.5,a\n\n-3,1e3,b\n4,7,\n")
    table = read_csv(path)
    assert list(table) == ["n", "size", "kind"]
    assert table["n"].dtype is wg.int32 and table["n"].tolist() == [1, -3, 4]
    assert table["size"].tolist() == [2.5, 1000, 7] and table["size"].device is device
    assert table["kind"] == ["a", "b", ""]
    chosen = read_csv(path, columns=["n"], dtypes={"n": "float32"})
    assert list(chosen) == ["n"] and chosen["n"].dtype is wg.float32
    path.write_text("1;2\n3;4\n")
    assert read_csv(path, delimiter=";")["1"].tolist() == [2, 4]
    assert read_csv(path, delimiter=";", header=True)["2"].tolist() == [4]


def test_cells_that_are_missing_are_named_or_replaced(numpy_device, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\nNA,3\n4,?\n")
    with pytest.raises(ArgumentError, match="line 3: the cell of column a is missing"):
        read_csv(path)
    assert read_csv(path, missing="drop")["b"].tolist() == [2]
    found = read_csv(path, missing="nan")
    assert np.isnan(found["a"].numpy()).tolist() == [False, True, False]
    assert read_csv(path, missing=-1)["b"].tolist() == [2, 3, -1]
    for text, told in (
        ("", "is empty"), ("a,b\n", "no rows"), ("a,b\n1\n", "line 2 has 1 cells, and 2"),
        ("a,a\n1,2\n", "one name"), ("a\n1\n2\nx\n3\n", "line 4: 'x' came in the column a"),
    ):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ArgumentError, match=told):
            read_csv(path)
    path.write_text("a\nx\n")
    for more, told in (
        ({"columns": ["b"]}, "no column 'b'"), ({"dtypes": {"a": "float32"}}, "a number is needed"),
        ({"missing": "skip"}, "missing='skip'"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=told):
            read_csv(path, **more)
    for name in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(ArgumentError, match="cannot be read as a table"):
            read_csv(name)


def test_arrays_are_read_and_nothing_is_run(device, tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3.0))
    np.savez(tmp_path / "x.npz", a=np.ones((2, 2)), b=np.arange(2))
    assert read_arrays(tmp_path / "x.npy").tolist() == [0, 1, 2]
    found = read_arrays(tmp_path / "x.npz")
    assert found["a"].shape == (2, 2) and found["b"].dtype is wg.int32
    np.save(tmp_path / "o.npy", np.array([object()]), allow_pickle=True)
    (tmp_path / "broken.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:200])
    for name in ("o.npy", "absent.npy", "broken.npz"):
        with pytest.raises(ArgumentError, match=r"cannot be read as arrays|is broken"):
            read_arrays(tmp_path / name)


def test_folders_of_images_are_classes(numpy_device, tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    for name, value in (("cats", 255), ("dogs", 0)):
        (tmp_path / name).mkdir()
        for i in range(2):
            pixels = np.full((4, 6, 3), value, np.uint8)
            pillow.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    images = ImageFolder(tmp_path)
    assert images.classes == ["cats", "dogs"] and len(images) == 4
    x, y = next(iter(DataLoader(images, 4)))
    assert x.shape == (4, 3, 4, 6) and y.tolist() == [0, 0, 1, 1]
    assert x[:, 0, 0, 0].tolist() == [1, 1, 0, 0]
    grey = ImageFolder(tmp_path, size=(2, 3), mode="L", transform=lambda image: image * 2)
    assert grey[0][0].shape == (1, 2, 3) and grey[0][0].max() == 2
    (tmp_path / "dogs" / "x.jpg").write_text("no image")
    with pytest.raises(ArgumentError, match=r"x\.jpg cannot be read"):
        ImageFolder(tmp_path)[4]
    for wrong in (tmp_path / "cats", tmp_path / "absent"):
        with pytest.raises(ArgumentError, match="no folder"):
            ImageFolder(wrong)


# Transforms.


def images() -> wg.Tensor:
    return wg.arange(64 * 3 * 5 * 6, dtype="float32").reshape((64, 3, 5, 6))


def test_flips_mirror_some_images_and_leave_the_others(numpy_device):
    x = images()
    for transform, axis in ((T.RandomHorizontalFlip(), 3), (T.RandomVerticalFlip(), 2)):
        out, whole = transform(x).numpy(), np.flip(x.numpy(), axis)
        turned = [bool((a == b).all()) for a, b in zip(out, whole, strict=True)]
        same = [bool((a == b).all()) for a, b in zip(out, x.numpy(), strict=True)]
        assert all(t != s for t, s in zip(turned, same, strict=True)) and 16 < sum(turned) < 48
    assert T.RandomHorizontalFlip(p=1.0)(x).numpy().tobytes() == np.flip(x.numpy(), 3).tobytes()


def test_crops_are_windows_of_the_padded_image(numpy_device):
    x = images()
    out = T.RandomCrop((4, 3), padding=(1, 2), fill=-1.0)(x).numpy()
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (2, 2), (1, 1)), constant_values=-1)
    places = set()
    for a, b in zip(out, padded, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(b, (4, 3), axis=(1, 2))
        hits = np.argwhere((windows == a[:, None, None]).all(axis=(0, 3, 4)))
        assert len(hits)
        places.add(tuple(hits[0]))
    assert len(places) > 15  # of 6 x 6
    np.testing.assert_array_equal(T.CenterCrop(3)(x).numpy(), x.numpy()[:, :, 1:4, 2:5])
    mean, std = [1.0, 2.0, 3.0], 2.0
    expected = (x.numpy() - np.reshape(mean, (3, 1, 1)).astype(np.float32)) / np.float32(std)
    np.testing.assert_allclose(T.Normalize(mean, std)(x).numpy(), expected, rtol=1e-6)


def test_transforms_draw_the_same_in_a_compiled_step_on_every_device(device):
    x = images()[:4]
    dice = wg.Generator(5)
    change = T.Compose([
        T.RandomCrop(4, padding=1, generator=dice), T.RandomHorizontalFlip(generator=dice),
        T.Normalize([1.0, 2.0, 3.0], 2.0),
    ])  # fmt: skip
    assert change.generators == [dice]
    eager = [change(x).numpy() for _ in range(2)]
    dice.counter = 0
    step = wg.compile(change, state=change.generators)
    for expected in eager:
        np.testing.assert_array_equal(step(x).numpy(), expected)
    with wg.device("numpy"):
        dice.counter = 0
        np.testing.assert_array_equal(change(x.to("numpy")).numpy(), eager[0])
    assert not np.array_equal(*eager)


def test_transforms_refuse_what_does_not_fit(numpy_device):
    x = images()[:1]
    for call, error, told in (
        (lambda: T.RandomCrop(9)(x), ShapeError, "at least 9 x 9"),
        (lambda: T.CenterCrop((2, 7))(x), ShapeError, "at least 2 x 7"),
        (lambda: T.Normalize([1.0, 2.0], 1.0)(x), ShapeError, "2 numbers .* 3 channels"),
        (lambda: T.Normalize(0.0, 0.0), ArgumentError, "more than 0"),
        (lambda: T.RandomHorizontalFlip(1.5), ArgumentError, "0 to 1"),
        (lambda: T.RandomCrop(0), ArgumentError, "size"),
        (lambda: T.RandomCrop(2, padding=-1), ArgumentError, "padding"),
        (lambda: T.Compose([3]), ArgumentError, "functions are needed"),
        (lambda: T.CenterCrop(2)(x[0]), ShapeError, r"\(n, c, h, w\)"),
        (lambda: T.CenterCrop((1, 2, 3)), ArgumentError, "height and width"),
    ):
        with pytest.raises(error, match=told):
            call()


def test_a_dtype_that_cannot_hold_a_column_is_named(numpy_device, tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises((ArgumentError, DTypeError)):
        read_csv(tmp_path / "t.csv", dtypes={"a": "float99"})
