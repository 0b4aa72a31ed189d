"""Datasets, samplers and the loader: which batches come, in what order, and who makes them."""

from __future__ import annotations

import collections
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)
from wgrad.errors import (
    ArgumentError,
    DeviceError,
    IndexRangeError,
    ShapeError,
    WgradError,
    WorkerError,
)


class Numbers(Dataset):
    """Sample i is a dict of i in several forms; `bad` raises, `ends` ends the process."""

    def __init__(self, n: int, bad: int = -1, ends: int = -1):
        self.n, self.bad, self.ends = n, bad, ends

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if i == self.bad:
            raise KeyError("a bad sample")
        if i == self.ends:
            os._exit(3)
        return {"x": np.full(2, i, np.float32), "name": str(i), "pair": (i, i / 2), "dice": dice()}


def dice() -> float:
    return float(np.random.rand())


class Row(IterableDataset):
    def __init__(self, n: int):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self) -> int:
        return self.n


def names(loader: Any) -> list[list[str]]:
    return [batch["name"] for batch in loader]


def rows_of(loader: Any) -> list[list[Any]]:
    return [[x.tolist() for x in batch] for batch in loader]


# Datasets.


def test_datasets_join_and_part(numpy_device):
    x = TensorDataset(wg.arange(6.0), wg.arange(6))
    both = x + [(6, 6), (7, 7)]
    assert len(both) == 8 and both[5][1].item() == 5 and both[-1] == (7, 7) and both[6] == (6, 6)
    with pytest.raises(IndexRangeError, match="place 8"):
        both[8]
    part = Subset(both, [7, 0, -1])
    assert part[0] == part[2] == (7, 7) and len(part) == 3
    with pytest.raises(IndexRangeError, match="place 9"):
        Subset(both, [9])
    assert len(ConcatDataset([x, x, x])) == 18
    for places in (part, Subset(range(3), [2, 0]), ConcatDataset([[1], [2]]), x):  # iterated over
        assert [*places] == [places[i] for i in range(len(places))]


def test_tensors_of_unequal_lengths_make_no_dataset(webgpu):
    for wrong, error in (
        ((), ArgumentError), (([1.0],), ArgumentError), ((wg.tensor(1.0),), ShapeError),
        ((wg.ones(3), wg.ones(4)), ShapeError),
        ((wg.ones(3), wg.ones(3, device="numpy")), DeviceError),
    ):  # fmt: skip
        with pytest.raises(error, match=r"^TensorDataset: .* (needed|\.to\(\))"):
            TensorDataset(*wrong)


def test_random_parts_are_disjoint_and_the_same_on_every_device(device):
    parts = random_split(range(10), [0.75, 0.25], wg.Generator(4))
    assert [len(p) for p in parts] == [8, 2]
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10))
    assert parts[1].indices == [8, 6]
    assert [p[0] for p in random_split("abc", [1, 2], wg.Generator(0))]
    for wrong in ([3, 3], [0.5, 0.6], [-1, 11], []):
        with pytest.raises(ArgumentError, match="random_split"):
            random_split(range(10), wrong)


# Samplers.


def test_more_samples_than_can_be_drawn_are_refused():
    for make in (RandomSampler, WeightedRandomSampler):
        for count in (10**12, 2**31 - 1):
            with pytest.raises(ArgumentError, match="at most 268435456 places are drawn at once"):
                make([1.0, 2.0], num_samples=count)
    with pytest.raises(ArgumentError, match="at most 65536 passes"):
        iter(RandomSampler([1.0, 2.0], num_samples=10**8))


def test_a_dataset_of_any_length_is_read_in_order_and_nothing_is_made_of_it(numpy_device):
    class Endless(Dataset):
        def __getitem__(self, i: int) -> int:
            return i

        def __len__(self) -> int:
            return 10**15

    assert list(itertools.islice(SequentialSampler(Endless()), 3)) == [0, 1, 2]
    loader = DataLoader(Endless(), 2, num_workers=1, prefetch_factor=3)
    assert [x.tolist() for x in itertools.islice(loader, 2)] == [[0, 1], [2, 3]]
    assert len(loader) == 5 * 10**14
    for shuffled in (lambda: RandomSampler(Endless()), lambda: random_split(Endless(), [0.5, 0.5])):
        with pytest.raises(ArgumentError, match="at most"):
            list(shuffled())
    few = DataLoader(range(6), 2, num_workers=1, prefetch_factor=10**12)
    assert len(list(few)) == 3


@pytest.mark.parametrize("workers", [2, 3])
def test_what_threads_draw_depends_on_the_batch_alone(workers, numpy_device):
    class Drawing(Dataset):
        """Samples of which the second batch's are drawn first, where there are two workers."""

        def __init__(self, several: bool):
            self.several, self.drawn = several, threading.Event()

        def __getitem__(self, i: int) -> wg.Tensor:
            if i == 0 and self.several:
                assert self.drawn.wait(60)
                self.drawn.clear()
            out = wg.rand(2)
            if i == 3:
                self.drawn.set()
            return out

        def __len__(self) -> int:
            return 12

    def drawn(count: int) -> list:
        wg.manual_seed(3)
        loader = DataLoader(Drawing(count > 1), 2, num_workers=count)
        return [x.tolist() for _ in range(2) for x in loader] + [wg.rand(1).tolist()]

    one = drawn(1)
    assert drawn(workers) == one and len({str(x) for x in one}) == 13
    again = [x.tolist() for x in DataLoader(Drawing(True), 2, num_workers=workers)]
    assert again[0] not in one  # another loader draws other numbers


def test_samplers_of_what_has_no_length_are_refused():
    for make in (SequentialSampler, RandomSampler, SubsetRandomSampler):
        with pytest.raises(ArgumentError, match="with a length is needed"):
            make(i for i in range(3))


def test_samplers_draw_what_they_say(numpy_device):
    data = range(7)
    assert list(SequentialSampler(data)) == list(data)
    assert sorted(RandomSampler(data)) == list(data)
    several = list(RandomSampler(data, num_samples=17))
    assert sorted(several[:7]) == sorted(several[7:14]) == list(data) and len(several) == 17
    drawn = list(RandomSampler(data, replacement=True, num_samples=200))
    assert set(drawn) == set(data) and len(drawn) == 200
    assert sorted(SubsetRandomSampler([3, 5, 9])) == [3, 5, 9]
    assert list(BatchSampler(data, 3, True)) == [[0, 1, 2], [3, 4, 5]]
    assert len(BatchSampler(data, 3, False)) == 3


def test_weighted_samples_come_by_their_weights(numpy_device):
    weights = [0.0, 1.0, 3.0, 0.0, 4.0]
    drawn = np.bincount(list(WeightedRandomSampler(weights, 8000)), minlength=5) / 1000
    np.testing.assert_allclose(drawn, weights, atol=0.25)
    once = [list(WeightedRandomSampler(weights, 3, replacement=False)) for _ in range(400)]
    assert all(sorted(x) == [1, 2, 4] for x in once)
    firsts = np.bincount([x[0] for x in once], minlength=5) / 50
    np.testing.assert_allclose(firsts, weights, atol=0.9)
    for wrong, count in (([1.0, -1.0], 1), ([0.0], 1), ([float("nan")], 1), (weights, 0)):
        with pytest.raises(ArgumentError, match="WeightedRandomSampler"):
            WeightedRandomSampler(wrong, count)
    with pytest.raises(ArgumentError, match="3 have a weight"):
        WeightedRandomSampler(weights, 4, replacement=False)


# Collating.

Point = collections.namedtuple("Point", "x y")


def test_samples_are_collated_through_all_they_hold(device):
    out = default_collate([
        {"a": 1, "b": (2.5, "s"), "c": [np.ones(2), wg.zeros(2)], "p": Point(True, b"k")},
        {"a": 3, "b": (4.5, "t"), "c": [np.zeros(2), wg.ones(2)], "p": Point(False, b"l")},
    ])  # fmt: skip
    assert out["a"].tolist() == [1, 3] and out["a"].dtype is wg.int32
    assert out["b"][0].tolist() == [2.5, 4.5] and out["b"][0].dtype is wg.float32
    assert out["b"][1] == ["s", "t"] and out["p"].y == [b"k", b"l"]
    assert out["c"][0].tolist() == out["c"][1].flip(0).tolist() == [[1, 1], [0, 0]]
    assert out["p"].x.tolist() == [True, False] and out["a"].device is device


def test_what_cannot_be_collated_is_named():
    for wrong, error, told in (
        ([], ArgumentError, "no samples"),
        ([np.ones(2), np.ones(3)], ShapeError, r"sample 1 has shape \(3,\) and sample 0 \(2,\)"),
        ([(1, 2), (1,)], ShapeError, "sample 1 .* 2 parts"),
        ([{"a": 1}, {"b": 1}], ArgumentError, "sample 1 .* keys"),
        ([None, None], wg.errors.DTypeError, "NoneType"),
        ([object()], wg.errors.DTypeError, "object"),
    ):
        with pytest.raises(error, match=told):
            default_collate(wrong)


def test_batches_are_pytorchs():
    torch = pytest.importorskip("torch")
    utils = torch.utils.data
    samples = [
        {"a": i, "b": (i / 2, [str(i), np.full((2, 1), i, np.float32)]), "p": Point(i, i > 2)}
        for i in range(7)
    ]

    def plain(x: Any) -> Any:
        if isinstance(x, (wg.Tensor, torch.Tensor)):
            return x.tolist()
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        return [plain(v) for v in x] if isinstance(x, (list, tuple)) else x

    for size, drop in ((3, False), (3, True), (7, True), (8, True), (8, False), (None, False)):
        ours = DataLoader(samples, size, drop_last=drop, device="numpy")
        theirs = utils.DataLoader(samples, size, drop_last=drop)
        assert len(ours) == len(theirs)
        assert plain(list(ours)) == plain(list(theirs))
    lists = [[4, 1], [], [2, 2, 6]][::2]
    ours = DataLoader(samples, batch_sampler=lists, device="numpy")
    theirs = utils.DataLoader(samples, batch_sampler=lists)
    assert len(ours) == len(theirs) and plain(list(ours)) == plain(list(theirs))
    for drop in (False, True):
        ours = DataLoader(Row(7), 3, drop_last=drop, device="numpy")

        class Theirs(utils.IterableDataset):
            def __iter__(self):
                return iter(range(7))

        assert plain(list(ours)) == plain(list(utils.DataLoader(Theirs(), 3, drop_last=drop)))


# The loader.


def test_rows_of_tensors_are_the_samples_they_would_be(device):
    x, y = wg.arange(20.0).reshape((10, 2)), wg.arange(10)
    rows = TensorDataset(x, y)
    for data in (rows, Subset(rows, [9, 3, -2, 0, 5])):
        for shuffle in (False, True):
            for size in (3, None):
                kind: dict[str, Any] = {"batch_size": size, "shuffle": shuffle}
                fast = DataLoader(data, **kind, generator=wg.Generator(5))
                slow = DataLoader([data[i] for i in range(len(data))], **kind, device=device)
                slow.sampler.generator = wg.Generator(5)
                assert rows_of(fast) == rows_of(slow) and len(fast) == len(slow)
    assert all(x.device is device for batch in fast for x in batch)


def test_many_small_batches_are_taken_together(numpy_device):
    data = TensorDataset(wg.arange(1000))
    seen = [x for (batch,) in rows_of(DataLoader(data, 8, shuffle=True)) for x in batch]
    assert sorted(seen) == list(range(1000)) and seen != sorted(seen)


def test_steps_that_take_rows_themselves_get_the_same_batches(device):
    data = TensorDataset(wg.arange(20).reshape((10, 2)), wg.arange(10))
    subset = Subset(data, [7, -1, 2, 0, 5])
    for dataset, more in ((data, {"shuffle": True}), (subset, {}), (data, {"drop_last": True})):
        made = [DataLoader(dataset, 4, generator=wg.Generator(3), **more) for _ in range(2)]
        tables = made[0].tables()
        if more.get("drop_last"):
            assert tables is None, "in order, batches are views"
            continue
        assert tables is data.tensors
        for _ in range(2):
            taken = [[x[at].tolist() for x in tables] for at in made[0].places()]
            assert taken == rows_of(made[1]) and made[0].state_dict() == made[1].state_dict()
        half = made[0].places()
        next(half)
        half.close()
        made[1].load_state_dict(made[0].state_dict())
        assert len(rows_of(made[1])) == len(made[0]) - 1
    trained = TensorDataset(wg.ones((4, 2)).requires_grad_())
    for other in (
        DataLoader(Numbers(4), 2, shuffle=True),
        DataLoader(Row(4), 2),
        DataLoader(data, None),
        DataLoader(data, 2, shuffle=True, collate_fn=list),
        DataLoader(data, 2, sampler=[1, 2]),
        DataLoader(trained, 2, shuffle=True),
    ):
        assert other.tables() is None


def test_rows_of_what_is_trained_keep_their_history(numpy_device):
    x = wg.parameter([1.0, 2.0, 3.0])
    (first, _) = DataLoader(TensorDataset(x), 2)
    first[0].sum().backward()
    assert x.grad.tolist() == [1, 1, 0]


def test_batches_go_where_they_are_asked_to(webgpu):
    home = TensorDataset(wg.arange(4.0, device="numpy"))
    assert [b[0].device.name for b in DataLoader(home, 2)] == ["numpy"] * 2
    assert all(b[0].device is webgpu for b in DataLoader(home, 2, shuffle=True, device=webgpu))
    with wg.device("numpy"):
        (batch,) = DataLoader(Numbers(2), 2, device=webgpu)
    assert batch["x"].device is webgpu


@pytest.mark.parametrize("threads", [0, 2])
def test_threads_give_the_same_batches_and_go_on_in_the_midst(threads, device):
    kind: dict[str, Any] = {"batch_size": 3, "shuffle": True}
    if threads:
        kind |= {"num_workers": threads, "persistent_workers": True}
    plain = DataLoader(Numbers(10), 3, shuffle=True, generator=wg.Generator(3))
    epochs = [names(plain) for _ in range(3)]
    loader = DataLoader(Numbers(10), **kind, generator=wg.Generator(3))
    assert names(loader) == epochs[0]
    iterator = iter(loader)
    first = next(iterator)
    assert first["name"] == epochs[1][0] and first["x"].device is device
    state = loader.state_dict()
    assert state["epoch"] == 1 and state["position"] == 1
    del iterator
    again = DataLoader(Numbers(10), **kind, generator=wg.Generator(99))
    again.load_state_dict(state)
    assert names(again) == epochs[1][1:]
    assert names(again) == epochs[2] and again.state_dict()["epoch"] == 3
    again.close()
    loader.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("wgrad-loader")]


def test_processes_give_the_same_batches_and_the_same_dice(webgpu):
    plain = names(DataLoader(Numbers(10), 3, shuffle=True, generator=wg.Generator(3)))
    kind: dict[str, Any] = {"num_workers": 1, "workers": "process", "persistent_workers": True}
    loader = DataLoader(Numbers(10), 3, shuffle=True, generator=wg.Generator(3), **kind)
    begun = loader.state_dict()
    whole = list(loader)
    assert [b["name"] for b in whole] == plain and whole[0]["x"].device is webgpu
    loader.load_state_dict({**begun, "position": 2})
    rest = list(loader)
    assert [b["name"] for b in rest] == plain[2:]
    assert [b["dice"].tolist() for b in rest] == [b["dice"].tolist() for b in whole[2:]]
    assert len(multiprocessing.active_children()) == 1
    loader.close()
    assert not multiprocessing.active_children()


def test_the_global_stream_gives_an_order_that_is_found_again(device):
    data = TensorDataset(wg.arange(8))
    wg.manual_seed(7)
    whole = rows_of(DataLoader(data, 3, shuffle=True))
    wg.manual_seed(7)
    loader = DataLoader(data, 3, shuffle=True)
    iterator = iter(loader)
    next(iterator)
    state, stream = loader.state_dict(), wg.get_rng_state()
    wg.manual_seed(1)
    again = DataLoader(data, 3, shuffle=True)
    again.load_state_dict(state)
    wg.set_rng_state(stream)
    assert rows_of(again) == whole[1:] and wg.get_rng_state() == stream
    for wrong in ({}, {"epoch": -1, "position": 0, "begun": None}, [1]):
        with pytest.raises(ArgumentError, match="load_state_dict"):
            again.load_state_dict(wrong)


def test_an_epoch_that_was_left_counts_as_begun():
    loader = DataLoader(range(6), 2, device="numpy")
    for _ in loader:
        break
    assert loader.state_dict()["position"] == 1
    assert [b.tolist() for b in loader] == [[0, 1], [2, 3], [4, 5]]
    assert loader.state_dict() == {"epoch": 2, "position": 0, "begun": None}


def test_samples_in_a_row_are_read_by_a_thread_too(numpy_device):
    for more in ({}, {"num_workers": 1}):
        loader = DataLoader(Row(7), 3, **more)
        assert len(loader) == 3
        assert [b.tolist() for b in loader] == [[0, 1, 2], [3, 4, 5], [6]]
        next(iter(loader))
        again = DataLoader(Row(7), 3, **more)
        again.load_state_dict({"epoch": 0, "position": 2, "begun": None})
        assert [b.tolist() for b in again] == [[6]]
    assert list(DataLoader(Row(2), None)) == [0, 1]


@pytest.mark.parametrize("workers", ["none", "thread", "process"])
def test_an_exception_comes_back_with_its_sample(workers, numpy_device):
    more = {} if workers == "none" else {"num_workers": 1, "workers": workers}
    loader = DataLoader(Numbers(9, bad=4), 3, **more)
    found = []
    with pytest.raises(KeyError, match="a bad sample") as caught:
        for batch in loader:
            found.append(batch["name"])
    assert found == [["0", "1", "2"]]
    assert caught.value.__notes__ == ["DataLoader: sample 4 of the Numbers raised this"]
    if workers == "process":
        assert "__getitem__" in str(caught.value.__cause__)  # the traceback over there
        with pytest.raises(WorkerError, match="ended on its own"):
            list(DataLoader(Numbers(9, ends=4), 3, **more))
    assert not [t for t in threading.enumerate() if t.name.startswith("wgrad-loader")]


def test_a_batch_that_takes_too_long_is_told_of(numpy_device):
    wait = threading.Event()
    slow = DataLoader([0], collate_fn=lambda x: wait.wait(), num_workers=1, timeout=0.05)
    with pytest.raises(WorkerError, match=r"longer than timeout=0\.05"):
        list(slow)
    wait.set()


def test_arguments_that_do_not_go_together_are_refused():
    data = Numbers(4)
    for wrong in (
        {"batch_size": 0}, {"batch_size": 1.5}, {"batch_size": -1}, {"num_workers": -1},
        {"shuffle": True, "sampler": [0]}, {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_size": None, "drop_last": True}, {"prefetch_factor": 2}, {"timeout": 1.0},
        {"persistent_workers": True}, {"timeout": -1, "num_workers": 1}, {"workers": "fork"},
        {"generator": 3}, {"multiprocessing_context": "fork"}, {"shuffle": 3},
        {"num_workers": 1, "prefetch_factor": 0},
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=r"^DataLoader"):
            DataLoader(data, **wrong)
    for wrong in ({"shuffle": True}, {"sampler": [0]}, {"num_workers": 2}):
        with pytest.raises(ArgumentError, match="IterableDataset"):
            DataLoader(Row(3), **wrong)
    with pytest.raises(ArgumentError, match="as a dataset"):
        DataLoader(5)
    with pytest.raises(ArgumentError, match="does not pickle"):
        list(DataLoader(data, collate_fn=lambda x: x, num_workers=1, workers="process"))
    assert len(DataLoader([], 4, shuffle=True)) == 0 == len(list(DataLoader([], 4, shuffle=True)))


def test_no_process_outlives_a_loader_that_is_left_or_killed():
    script = """
    import multiprocessing, os, sys, time
    import wgrad as wg
    from wgrad.data import DataLoader

    if __name__ == "__main__":
        loader = DataLoader(range(1000), 2, num_workers=1, workers="process", device="numpy")
        kept = iter(loader)
        next(kept)
        print(*(p.pid for p in multiprocessing.active_children()), flush=True)
        time.sleep(60)
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "WGRAD_DEVICE": "numpy"}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        pids = [int(x) for x in process.stdout.readline().split()]
        process.send_signal(signal.SIGKILL)
    assert len(pids) == 1
    for pid in pids:
        for _ in range(200):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                break
            state = _state_of(pid)
            if state in ("Z", ""):
                break
            threading.Event().wait(0.05)
        else:
            pytest.fail(f"process {pid} lives on")


def _state_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_errors_of_ours_are_one_sentence():
    with pytest.raises(WgradError) as caught:
        default_collate([np.ones(2), np.ones(3)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("plain", [True, False])
def test_samplers_that_give_no_places_are_refused(numpy_device, plain):
    data = wg.data.TensorDataset(wg.arange(6)) if plain else [0, 1, 2, 3, 4, 5]

    def taken(**given):
        return list(wg.data.DataLoader(data, **given))

    for wrong in (3, "ab", 0.5):
        with pytest.raises(ArgumentError, match=r"DataLoader: sampler=.* places of samples"):
            taken(sampler=wrong)
        with pytest.raises(ArgumentError, match=r"DataLoader: batch_sampler=.* places of samples"):
            taken(batch_sampler=wrong)
    with pytest.raises(ArgumentError, match="a batch of batch_sampler=1 came"):
        taken(batch_sampler=[1, 2])
    if plain:
        with pytest.raises(ArgumentError, match=r"\[0\.5\] came, and integers"):
            taken(sampler=[0.5])
    with pytest.raises(ArgumentError, match=r"Subset: \[0\.5\] came, and integers"):
        wg.data.Subset(data, [0.5])
    subset = wg.data.Subset(data, (wg.tensor(i) for i in (4, 1)))
    assert subset.indices == [4, 1] and len(taken(sampler=wg.tensor([2, 0]))) == 2


def test_paths_are_read_as_paths_and_no_open_file_is_closed(tmp_path):
    class Both(type(tmp_path)):
        def __index__(self):  # by which `open` would take it for the number of an open file
            return handle

    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    handle = os.open(path, os.O_RDONLY)
    assert wg.data.read_csv(Both(path))["b"].tolist() == [2.0]
    np.save(tmp_path / "a.npy", np.zeros(2))
    assert wg.data.read_arrays(Both(tmp_path / "a.npy")).shape == (2,)
    os.close(handle)  # which it could not be if it was closed
