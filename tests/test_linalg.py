"""Matrices without the usual luck: singular, with equal eigenvalues, wide, empty; and the host."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from differences import jacobian
from table.decompositions import _cofactors

import wgrad as wg
from wgrad import errors

L = wg.linalg


def wide(x: np.ndarray, device) -> wg.Tensor:
    """Return a tensor in the widest dtype of a device."""
    return wg.tensor(x, "float64" if device.name == "numpy" else "float32")


def close(found: wg.Tensor, expected, device, loose: float = 1.0) -> None:
    exact = device.name == "numpy"
    np.testing.assert_allclose(
        found.numpy(), expected, rtol=1e-9 if exact else 1e-4 * loose, atol=1e-9 if exact else 1e-5
    )


# Shapes and dtypes.


@pytest.mark.parametrize(
    "shape", [(4, 3), (3, 4), (3, 3), (2, 5, 2), (2, 2, 5), (1, 1), (0, 3), (3, 0)]
)
def test_decompositions_give_back_the_matrix(shape, device, rng):
    x = rng.standard_normal(shape)
    m, n = shape[-2:]
    k = min(m, n)
    for full, complete in ((True, "complete"), (False, "reduced")):
        u, s, vh = L.svd(wide(x, device), full_matrices=full)
        rows, columns = (m, n) if full else (k, k)
        assert (u.shape[-2:], s.shape[-1:], vh.shape[-2:]) == ((m, rows), (k,), (columns, n))
        close((u[..., :, :k] * s[..., None, :]) @ vh[..., :k, :], x, device)
        close(s, np.linalg.svd(x, compute_uv=False), device)
        q, r = L.qr(wide(x, device), mode=complete)
        assert (q.shape[-1], r.shape[-2]) == ((m, m) if full else (k, k))
        close(q @ r, x, device)
        close(r, np.triu(r.numpy()), device)
        for vectors in (u, vh.mT, q):
            columns = vectors.shape[-1]
            one = np.broadcast_to(np.eye(columns), (*shape[:-2], columns, columns))
            close(vectors.mT @ vectors, one, device)


def test_results_have_the_names_of_the_standard(device):
    x = wg.eye(2)
    assert L.eigh(x)._fields == ("eigenvalues", "eigenvectors")
    assert L.qr(x)._fields == ("Q", "R")
    assert L.slogdet(x)._fields == ("sign", "logabsdet")
    assert L.svd(x)._fields == ("U", "S", "Vh")


def test_integers_become_float32_and_float16_stays(device):
    x = wg.tensor([[2, 1], [1, 3]])
    assert L.det(x).dtype is L.inv(x).dtype is L.solve(x, x).dtype is wg.float32
    assert L.det(x).item() == 5
    np.testing.assert_allclose(L.solve(x, [1, 2]).numpy(), [0.2, 0.6], rtol=1e-6)
    if wg.float16 in device.dtypes:
        half = x.astype("float16")
        assert L.inv(half).dtype is wg.float16
        expected = np.linalg.inv(x.numpy().astype(float)).astype(np.float16)
        np.testing.assert_array_equal(L.inv(half).numpy(), expected)


def test_float32_is_computed_in_float64_and_rounded_once(device, rng):
    x = (rng.standard_normal((30, 30)) + 8 * np.eye(30)).astype(np.float32)
    exact = x.astype(np.float64)
    for found, right in ((L.inv, np.linalg.inv), (L.det, np.linalg.det)):
        np.testing.assert_array_equal(found(wg.tensor(x)).numpy(), right(exact).astype(np.float32))


def test_solve_takes_vectors_and_stacks_of_matrices(device, rng):
    a = rng.standard_normal((2, 1, 3, 3)) + 4 * np.eye(3)
    for shape in ((3,), (3, 1), (3, 2), (4, 3, 2), (1, 4, 3, 3)):
        b = rng.standard_normal(shape)
        close(L.solve(wide(a, device), wide(b, device)), np.linalg.solve(a, b), device)


def test_matrix_power_of_none(device):
    x = wide(np.arange(8.0).reshape(2, 2, 2), device)
    np.testing.assert_array_equal(L.matrix_power(x, 0).numpy(), [np.eye(2)] * 2)
    same = L.matrix_power(x, 1)
    same[0] = 0
    assert x.numpy()[0, 1, 1] == 3


# Determinants.

RANKS = [np.diag(d) for d in ([0.0, 2, 3], [0.0, 0, 3], [0.0, 0, 0], [1.0, 2, 3])]


def turned(d: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a matrix of the same rank without zeros, some of negative determinant."""
    q, p = (np.linalg.qr(rng.standard_normal(d.shape))[0] for _ in range(2))
    return q @ d @ p


@pytest.mark.parametrize("d", RANKS, ids=["rank2", "rank1", "rank0", "rank3"])
def test_det_of_singular_matrices_has_the_adjugate_for_gradient(d, device, rng):
    for x in (d, turned(d, rng), turned(d, rng), np.stack([d, turned(d, rng)])):
        t = wide(x, device)
        gradient = wg.grad(lambda x: L.det(x).sum())
        close(gradient(t), _cofactors(x), device)
        v = rng.standard_normal(x.shape)
        expected = (_cofactors(x + v) - _cofactors(x - v)) / 2  # of second degree: exact
        close(wg.hvp(lambda x: L.det(x).sum(), t, wide(v, device)), expected, device)
        over = wg.grad(lambda x, v=v, f=gradient: (f(x) * wide(v, device)).sum())
        close(over(t), expected, device)


def test_det_has_derivatives_of_third_order(numpy_device, rng):
    x, u, v = rng.standard_normal((3, 4, 4))

    def second(x: wg.Tensor) -> wg.Tensor:
        along = lambda x: wg.jvp(L.det, (x,), (wide(u, numpy_device),))[1]  # noqa: E731
        return (wg.grad(along)(x) * wide(v, numpy_device)).sum()

    found = wg.grad(second)(wide(x, numpy_device))
    np.testing.assert_allclose(found.numpy(), jacobian(second, [x], 0), rtol=1e-7, atol=1e-7)


def test_det_of_one_and_of_no_row(device):
    assert L.det(wg.zeros((0, 0))).item() == 1
    assert wg.grad(lambda x: L.det(x))(wg.tensor([[0.0]])).item() == 1
    assert wg.grad(lambda x: L.det(x).sum())(wg.zeros((2, 0, 0))).shape == (2, 0, 0)


def test_slogdet_of_singular_matrices(device):
    x = np.array([[[1.0, 2], [2, 4]], [[0, 1], [1, 0]], [[2, 0], [0, 3]]])
    sign, logarithm = L.slogdet(wide(x, device))
    assert sign.tolist() == [0, -1, 1]
    np.testing.assert_allclose(logarithm.numpy(), [-np.inf, 0, np.log(6)], rtol=1e-6)
    f = lambda x: L.slogdet(x).logabsdet.sum()  # noqa: E731
    close(wg.grad(f)(wide(x[1:], device)), np.linalg.inv(x[1:]).mT, device)
    with pytest.raises(errors.LinAlgError, match="inv: a singular matrix"):
        wg.grad(f)(wide(x, device))
    large = L.slogdet(wide(1e30 * np.eye(20), device))  # whose determinant is infinite in float32
    np.testing.assert_allclose(large.logabsdet.item(), 20 * np.log(1e30), rtol=1e-6)


# Equal eigenvalues and singular values.


def test_equal_eigenvalues_have_gradients_and_their_vectors_none(device, rng):
    q = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    exactly = wide(np.diag([1.0, 3, 3, 3]), device)
    for x in (wide((q * [1.0, 3, 3, 3]) @ q.T, device), exactly):
        for values in (
            L.eigvalsh,
            L.svdvals,
            lambda x: L.eigh(x).eigenvalues,
            lambda x: L.svd(x).S,
        ):
            close(wg.grad(lambda x, f=values: f(x).sum())(x), np.eye(4), device)  # of the trace
            one = wg.jvp(lambda x, f=values: f(x).sum(), (x,), (wg.ones_like(x),))[1]
            assert one.item() == pytest.approx(4, rel=1e-5)
    # What no number is right for is none: vectors, and second derivatives, which need them. In the
    # last line a factor is 0 where eigenvalues are equal; the true gradient is all ones.
    for f in (
        lambda x: (L.eigh(x).eigenvectors ** 3).sum(),
        lambda x: (L.svd(x).U ** 3).sum(),
        lambda x: wg.grad(lambda x: L.eigvalsh(x).square().sum())(x).sum(),
        lambda x: (lambda w, q: ((q * (w - 3)) @ q.mT).sum())(*L.eigh(x)),
    ):
        assert not np.isfinite(wg.grad(f)(exactly).numpy()).all()


def test_norms_of_equal_singular_values_share_the_gradient(device):
    x = wide(np.diag([3.0, 3, 1, 1]), device)
    for ord, diagonal in ((2, [0.5, 0.5, 0, 0]), (-2, [0, 0, 0.5, 0.5]), ("nuc", [1, 1, 1, 1])):
        for keepdims in (False, True):

            def f(x: wg.Tensor, ord=ord, keepdims=keepdims) -> wg.Tensor:
                return L.matrix_norm(x, ord=ord, keepdims=keepdims).sum()

            close(wg.grad(f)(x), np.diag(diagonal), device)
    nothing = wide(np.zeros((3, 2)), device)
    for ord in (2, "nuc"):  # a subgradient: no norm of it is above 1
        found = wg.grad(lambda x, o=ord: L.matrix_norm(x, ord=o))(nothing).numpy()
        assert np.linalg.norm(found, 2) <= 1 + 1e-6
    assert L.matrix_norm(nothing[:, :0], ord="nuc").item() == 0


def test_pinv_of_constant_rank(device, rng):
    a, b = rng.standard_normal((4, 2)), rng.standard_normal((2, 3))

    def f(a: wg.Tensor, b: wg.Tensor) -> wg.Tensor:
        return L.pinv(a @ b, rtol=1e-5)

    close(f(wide(a, device), wide(b, device)), np.linalg.pinv(a @ b), device, 10)
    if device.name == "numpy":
        assert wg.gradcheck(f, [wide(a, device), wide(b, device)])
    x = wide(np.stack([np.diag([1.0, 1e-3, 0]), np.diag([1.0, 0.5, 0.1])]), device)
    assert L.matrix_rank(x).tolist() == [2, 3]
    assert L.matrix_rank(x, rtol=0.01).tolist() == [1, 3]
    assert L.matrix_rank(x, rtol=[0.01, 0.2]).tolist() == [1, 2]
    assert L.matrix_rank(wg.zeros((2, 3))).item() == 0
    diagonals = np.diagonal(L.pinv(x, rtol=wg.tensor([0.01, 0.2])).numpy(), axis1=1, axis2=2)
    np.testing.assert_allclose(diagonals, [[1, 0, 0], [1, 2, 0]], rtol=1e-6)


def test_gradients_agree_with_pytorchs(rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, 4, 3))
    s = rng.standard_normal((2, 3, 3)) + 4 * np.eye(3)
    symmetric = s + s.mT + 4 * np.eye(3)
    cases: list[tuple[Callable, np.ndarray]] = [
        (lambda la, x: la.svd(x, full_matrices=False)[0][..., :1] ** 2, x),
        (lambda la, x: la.svd(x.mT, full_matrices=False)[2][..., :1, :] ** 2, x),
        (lambda la, x: la.eigh((x + x.mT) / 2)[1] ** 2, symmetric),
        (lambda la, x: la.cholesky((x + x.mT) / 2), symmetric),
        (lambda la, x: la.qr(x)[1] ** 2, x),
        (lambda la, x: la.qr(x.mT)[1] ** 2, x),
        (lambda la, x: la.pinv(x), x),
        (lambda la, x: la.slogdet(x)[1], s),
        (lambda la, x: la.matrix_norm(x, ord="nuc"), x),
        (lambda la, x: la.solve(x, x[..., :1, :].mT), s),
    ]
    with wg.device("numpy"):
        for i, (f, data) in enumerate(cases):
            theirs = torch.tensor(data, requires_grad=True)
            right = f(torch.linalg, theirs)
            weights = rng.standard_normal(right.shape)
            (right * torch.tensor(weights)).sum().backward()
            mine = wg.tensor(data, "float64", requires_grad=True)
            (f(L, mine) * wg.tensor(weights, "float64")).sum().backward()
            found = mine.grad.numpy()
            np.testing.assert_allclose(found, theirs.grad, rtol=1e-8, atol=1e-10, err_msg=f"{i}")


# Errors.


def test_matrices_without_a_result_are_errors_of_ours_and_numpys(device):
    singular, indefinite = wg.ones((2, 2)), wg.tensor([[1.0, 2.0], [2.0, 1.0]])
    nan = wg.full((2, 2), float("nan"))
    cases = (
        (lambda: L.inv(singular), "inv: a singular matrix came"),
        (lambda: L.solve(singular, wg.ones(2)), "solve: a singular matrix came"),
        (lambda: L.matrix_power(singular, -1), "inv: a singular matrix came"),
        (lambda: L.cholesky(indefinite), "cholesky: a matrix that is not positive definite came"),
        (lambda: L.svd(nan), "svd: the iteration does not converge"),
        (lambda: L.pinv(nan), "pinv: the singular values"),
    )
    for call, words in cases:
        with pytest.raises(np.linalg.LinAlgError, match=words) as caught:
            call()
        assert isinstance(caught.value, errors.WgradError)
        assert isinstance(caught.value, ValueError)


def test_shapes_and_modes_that_do_not_fit_are_errors(device):
    x = wg.ones((2, 3))
    for name in ("inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh"):
        with pytest.raises(errors.ShapeError, match=f"{name}: .*square"):
            getattr(L, name)(x)
        with pytest.raises(errors.ShapeError, match=f"{name}: .*2 axes"):
            getattr(L, name)(wg.ones(3))
    for name in ("qr", "svd", "svdvals", "pinv", "matrix_rank"):
        with pytest.raises(errors.ShapeError, match=f"{name}: .*2 axes"):
            getattr(L, name)(wg.ones(3))
    with pytest.raises(errors.ShapeError, match=r"solve: .*3 rows"):
        L.solve(wg.eye(3), wg.ones((2, 3)))
    with pytest.raises(errors.ArgumentError, match="qr: mode"):
        L.qr(x, mode="full")
    with pytest.raises(errors.ArgumentError, match="matrix_power: n="):
        L.matrix_power(wg.eye(2), 0.5)
    with pytest.raises(errors.ArgumentError, match="full_matrices"):
        L.svd(x, full_matrices="no")
    with pytest.raises(errors.ShapeError, match="rtol"):
        L.pinv(x, rtol=[1e-3, 1e-4])


# The host.


def test_trips_to_the_host_are_counted_for_gpus_alone(device):
    x = wg.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
    wg.stats(reset=True)
    found = L.det(x)
    assert wg.stats()["host_trips"] == (device.name != "numpy")
    found.backward()  # the cofactors
    assert wg.stats()["host_trips"] == 2 * (device.name != "numpy")
    assert found.device is device and x.grad.device is device
    wg.fft.rfft(x)
    assert wg.stats()["host_trips"] == 3 * (device.name != "numpy")


def test_compiled_functions_name_the_line_that_leaves_the_device(device):
    @wg.compile
    def f(x: wg.Tensor) -> wg.Tensor:
        return L.det(x * 2)

    @wg.compile
    def g(x: wg.Tensor) -> wg.Tensor:
        return wg.fft.rfft(x)

    for compiled, op in ((f, "det"), (g, "real_dft")):
        with pytest.raises(
            errors.TraceError, match=f"{op} at .*test_linalg.py, line .* by NumPy on the host"
        ):
            compiled(wg.eye(2))


def test_inputs_stay_as_they_are(device, rng):
    x = wide(rng.standard_normal((3, 3)), device)
    before = x.numpy()
    for name in ("inv", "det", "svd", "qr", "eigh", "slogdet", "pinv"):
        getattr(L, name)(x)
    np.testing.assert_array_equal(x.numpy(), before)
