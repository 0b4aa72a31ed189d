"""Fourier transforms of pairs: against NumPy's of complex numbers, and by what they mean."""

from __future__ import annotations

import numpy as np
import pytest

import wgrad as wg
from wgrad import errors


def numbers(x: wg.Tensor) -> np.ndarray:
    """Return pairs as complex numbers."""
    parts = x.numpy().astype(np.float64)
    return parts[..., 0] + 1j * parts[..., 1]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 13, 60, 97])
def test_transforms_of_every_length(n, device, rng):
    x = rng.standard_normal((2, n, 2)).astype(np.float32)
    z = x[..., 0].astype(np.float64) + 1j * x[..., 1]
    near = {"rtol": 1e-5, "atol": 2e-6 * n}
    np.testing.assert_allclose(numbers(wg.fft.fft(wg.tensor(x))), np.fft.fft(z), **near)
    np.testing.assert_allclose(numbers(wg.fft.ifft(wg.fft.fft(wg.tensor(x)))), z, **near)
    real = wg.tensor(x[..., 0])
    half = wg.fft.rfft(real)
    np.testing.assert_allclose(numbers(half), np.fft.rfft(x[..., 0].astype(np.float64)), **near)
    np.testing.assert_allclose(wg.fft.irfft(half, n).numpy(), real.numpy(), **near)
    np.testing.assert_allclose(wg.fft.hfft(wg.fft.ihfft(real), n).numpy(), real.numpy(), **near)
    grid = wg.fft.irfftn(wg.fft.rfftn(real), real.shape)
    np.testing.assert_allclose(grid.numpy(), real.numpy(), **near)


def test_convolution_theorem_has_its_gradient(device, rng):
    """A filter learns through the transforms as through the sum that they compute."""
    x, k = (rng.standard_normal(6) for _ in range(2))

    def by_transform(k: wg.Tensor) -> wg.Tensor:
        a, b = wg.fft.rfft(wg.tensor(x, k.dtype)), wg.fft.rfft(k)
        re = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
        im = a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]
        return wg.fft.irfft(wg.stack([re, im], -1), 6)

    circulant = np.stack([np.roll(x, i) for i in range(6)], -1)
    found = wg.jacobian(by_transform)(wg.tensor(k)).numpy()
    np.testing.assert_allclose(
        by_transform(wg.tensor(k)).numpy(), circulant @ k, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(found, circulant, rtol=1e-4, atol=1e-5)


def test_infinite_parts_stay_in_their_place(device):
    found = wg.fft.fft(wg.tensor([[np.inf, 1.0]])).numpy()
    np.testing.assert_array_equal(found, [[np.inf, 1.0]])


def test_frequencies_are_numpys(device):
    for n in (1, 2, 5, 8):
        for name in ("fftfreq", "rfftfreq"):
            found = getattr(wg.fft, name)(n, d=0.5)
            assert found.dtype is wg.float32 and found.device is device
            right = getattr(np.fft, name)(n, 0.5).astype(np.float32)
            np.testing.assert_array_equal(found.numpy(), right)
    assert wg.fft.fftfreq(4, dtype=wg.float64, device="numpy").dtype is wg.float64


def test_shifts_of_pairs_have_to_say_so(device):
    x = np.arange(24).reshape(3, 4, 2)
    with pytest.raises(errors.ArgumentError, match=r"fftshift: .*pairs"):
        wg.fft.fftshift(wg.tensor(x))
    for pairs in (True, False):
        axes = (0, 1) if pairs else (0, 1, 2)
        found = wg.fft.fftshift(wg.tensor(x), pairs=pairs)
        np.testing.assert_array_equal(found.numpy(), np.fft.fftshift(x, axes))
        np.testing.assert_array_equal(wg.fft.ifftshift(found, pairs=pairs).numpy(), x)
    found = wg.fft.fftshift(wg.tensor(x), -1, pairs=True)
    np.testing.assert_array_equal(found.numpy(), np.fft.fftshift(x, 1))
    two = wg.fft.fftshift(wg.tensor([1, 2]))
    assert two.tolist() == [2, 1]


def test_wrong_arguments_are_errors(device):
    pairs, real = wg.ones((3, 4, 2)), wg.ones((3, 4))
    bad = (
        (lambda: wg.fft.fft(real), errors.ShapeError, "fft: .*pairs"),
        (lambda: wg.fft.irfft(wg.ones(2)), errors.ShapeError, "irfft: .*pairs"),
        (lambda: wg.fft.fft(pairs, n=0), errors.ArgumentError, "n=0"),
        (lambda: wg.fft.irfft(wg.ones((1, 2))), errors.ArgumentError, "n=0"),
        (lambda: wg.fft.fft(pairs, axis=2), errors.AxisError, "fft: axis 2"),
        (lambda: wg.fft.fftn(pairs, axes=(0, 0)), errors.AxisError, "fftn: axes"),
        (lambda: wg.fft.fftn(pairs, s=(3,), axes=(0, 1)), errors.ArgumentError, "fftn: s="),
        (lambda: wg.fft.rfft(real, norm="both"), errors.ArgumentError, "rfft: norm"),
        (lambda: wg.fft.rfft(wg.ones(())), errors.AxisError, "rfft: axis"),
        (lambda: wg.fft.rfft(wg.ones((3, 0))), errors.ArgumentError, "rfft: n=0"),
        (lambda: wg.fft.fftfreq(0), errors.ArgumentError, "fftfreq: n=0"),
        (lambda: wg.fft.fftfreq(4, d=0), errors.ArgumentError, "fftfreq: d=0"),
        (lambda: wg.fft.fftfreq(4, dtype=wg.int32), errors.DTypeError, "fftfreq: dtype"),
    )
    for call, kind, words in bad:
        with pytest.raises(kind, match=words):
            call()


def test_integers_become_float32(device):
    assert wg.fft.rfft(wg.tensor([1, 2, 3])).dtype is wg.float32
