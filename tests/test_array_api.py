"""The Array API standard, claim by claim: those that fail are those of a list, and no others.

`tests/standard` has the claims, `array_api_exceptions.toml` the list and its reasons.
"""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from standard import behaviour, names, oracle, special
from standard.verdicts import LISTED, broken, settle, unknown

import wgrad as wg
from wgrad.backends.base import Device

KINDS = {
    "names": names.CLAIMS,
    "special": special.CLAIMS,
    "behaviour": behaviour.BEHAVIOURS,
    "oracle": oracle.MAKERS,
}


def test_list_of_exceptions_names_claims():
    assert set(LISTED) <= set(KINDS)
    for kind, claims in KINDS.items():
        assert unknown(kind, claims) == set(), kind
    assert all(reason.strip() for rows in LISTED.values() for reason in rows.values())


def test_every_function_of_the_standard_is_compared_or_has_special_treatment():
    elsewhere = {"__array_namespace_info__", "imag"}  # of complex numbers, which there are none of
    creation = "arange asarray empty empty_like eye from_dlpack full full_like linspace ones"
    creation += " ones_like zeros zeros_like can_cast finfo iinfo isdtype result_type"
    creation += " fft.fftfreq fft.rfftfreq"
    homes = ("", "linalg", "fft")
    functions = {n for n in names.SIGNATURES if n.rpartition(".")[0] in homes}
    assert functions - set(oracle.MAKERS) - elsewhere - set(creation.split()) == set()
    assert set(oracle.MAKERS) <= functions


def test_names_and_signatures():
    settle("names", {name: broken(check) for name, check in names.verdicts()})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_cases(device: Device, dtype: str):
    if wg.float64 not in device.dtypes and dtype == "float64":
        pytest.skip("no float64")  # a GPU has none
    settle("special", dict(special.verdicts(dtype)), device.name)


@pytest.mark.parametrize("name", behaviour.BEHAVIOURS)
def test_behaviour(device: Device, name: str):
    check = behaviour.BEHAVIOURS[name]
    settle("behaviour", {name: broken(lambda: check(device))}, device.name)


@pytest.mark.parametrize("name", oracle.MAKERS)
def test_function_agrees_with_array_api_strict(name: str):
    strict = pytest.importorskip("array_api_strict")
    home, _, attribute = name.rpartition(".")
    if not hasattr(getattr(wg, home) if home else wg, attribute):
        pytest.skip("which the names say")  # a listed exception
    taken = []

    @settings(
        max_examples=8,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        taken.append(oracle.compare(oracle.MAKERS[name](data.draw), strict))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, in what is compared with
        settle("oracle", {name: broken(run)})
    assert any(taken) or name in LISTED.get("oracle", {})
