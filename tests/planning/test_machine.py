"""What `frbench info` says of a machine: structure, and reasons where a number is missing; never a time."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from frbench import _rust
from frbench.planning import machine

CLOCK_HZ, READ = 3e9, 10e9


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """Every rate of this machine, measured for a moment."""
    return _rust.rates(1e-3, 4 << 20)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch, measured: dict[str, Any]) -> None:
    """Measuring takes no time."""
    monkeypatch.setattr(_rust, "rates", lambda *_: measured)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No instruction set is asked for."""
    monkeypatch.delenv("FRBENCH_ISA", raising=False)


def kernel(**changes: Any) -> dict[str, Any]:
    """What a kernel is measured to do."""
    rates = {
        "kernel": "x",
        "int8_multiply_adds_per_s": 96e9,
        "int8_multiply_adds_per_cycle": 64.0,
        "float32_multiply_adds_per_s": 24e9,
        "float32_multiply_adds_per_cycle": 16.0,
        "near_scores_per_s": 4e6,
        "scores_per_s": 1e6,
        "scan_bytes_per_s": 9e9,
    }
    return rates | changes


def printed(found: dict[str, Any]) -> str:
    """What a terminal would show."""
    text = io.StringIO()
    machine.show(found, Console(file=text))
    return text.getvalue()


def test_rates_are_positive_for_every_kernel(measured: dict[str, Any]):
    """Every kernel of the machine, best first, has every rate."""
    assert _rust.kernels() == [k["kernel"] for k in measured["kernels"]]
    for k in measured["kernels"]:
        assert k.keys() == kernel().keys()
        assert all(rate > 0 for name, rate in k.items() if name.endswith("_per_s"))
        assert all(peak >= 0 for name, peak in k.items() if name.endswith("_per_cycle"))
    assert measured["memory_read_bytes_per_s"] > 0
    assert measured["clock_hz"] is None or measured["clock_hz"] > 0


@pytest.mark.usefixtures("quickly", "elsewhere")
def test_describe_gives_json_with_these_names():
    """A reader of the JSON finds the machine, the choice and the rates."""
    found = json.loads(json.dumps(machine.describe()))

    assert ("frbench.info", 1) == (found["schema"], found["schema_version"])
    assert {"frbench", "kernels", "chosen", "frbench_isa", "notes", "processor", "cores", "memory_gib", "system",
            "byte_order", "caches", "rates"} <= found.keys()  # fmt: skip
    assert all({"level", "type", "kib"} == cache.keys() for cache in found["caches"])
    assert {"threads", "dimension", "clock_hz", "clock_hz_reason", "memory_read_bytes_per_s",
            "memory_read_from_bytes", "kernels"} == found["rates"].keys()  # fmt: skip
    assert found["chosen"] == found["kernels"][0] == found["rates"]["kernels"][0]["kernel"]


@pytest.mark.usefixtures("quickly")
def test_a_share_is_missing_only_with_a_reason():
    """A share of the roof is a number, or None beside the reason."""
    rates = machine.describe()["rates"]

    for k in rates["kernels"]:
        for kind in machine.KINDS:
            share, reason = k[f"{kind}_share_of_roof"], k[f"{kind}_share_of_roof_reason"]
            assert (share is None) == (reason is not None)
            assert share is None or share > 0
        assert k["scan_share_of_memory_read"] > 0
    assert (rates["clock_hz"] is None) == (rates["clock_hz_reason"] is not None)


def test_a_share_is_the_rate_over_peak_times_clock():
    """96e9 of 64 x 3e9, 24e9 of 16 x 3e9 multiply-adds, and 9e9 of 10e9 bytes a second."""
    found = machine._with_shares(kernel(), CLOCK_HZ, READ)

    assert (0.5, 0.5, 0.9) == tuple(
        found[name] for name in ("int8_share_of_roof", "float32_share_of_roof", "scan_share_of_memory_read")
    )


@pytest.mark.parametrize(
    ("peak", "clock_hz", "reason"), [(0.0, CLOCK_HZ, machine.NO_PEAK), (64.0, None, machine.NO_CLOCK)]
)
def test_without_a_roof_there_is_no_share(peak: float, clock_hz: float | None, reason: str):
    """What is not known is None and says why, rather than 0."""
    found = machine._with_shares(kernel(int8_multiply_adds_per_cycle=peak), clock_hz, READ)

    assert (None, reason) == (found["int8_share_of_roof"], found["int8_share_of_roof_reason"])
    assert (None if peak == 0 else peak) == found["int8_multiply_adds_per_cycle"]


@pytest.mark.usefixtures("quickly", "elsewhere")
def test_show_prints_a_line_for_each_kernel():
    """The table names every kernel and the one that is chosen."""
    found = machine.describe()
    text = printed(found)

    assert f"chosen     {found['chosen']} (the best; FRBENCH_ISA is not set)" in text
    for name in found["kernels"]:
        assert any(line.startswith(f"{name} ") for line in text.splitlines())


def test_quick_measures_nothing(monkeypatch: pytest.MonkeyPatch):
    """Without measuring, there are no rates and no table."""
    monkeypatch.delattr(_rust, "rates")
    found = machine.describe(measures=False)

    assert found["rates"] is None
    assert "of roof" not in printed(found)


def test_gpus_are_shown_or_why_there_are_none(monkeypatch: pytest.MonkeyPatch):
    """Name, memory, capability and versions of each; else the reason, and never silence."""
    card = {
        "name": "X100",
        "memory_gib": 80.0,
        "capability": "9.0",
        "driver": "580.1",
        "torch": "2.11",
        "triton": "3.6",
    }
    monkeypatch.setattr(machine.devices, "found", lambda: [card])
    monkeypatch.setattr(machine.devices, "missing", lambda: None)
    shown = " ".join(printed(machine.describe(measures=False)).split())
    assert "X100, 80.0 GiB, capability 9.0, driver 580.1, torch 2.11, triton 3.6" in shown
    monkeypatch.undo()
    monkeypatch.setattr(machine.devices, "missing", lambda: "it is in the post")
    found = machine.describe(measures=False)

    assert ([], "it is in the post") == (found["gpus"], found["gpus_reason"])
    assert "none: it is in the post" in " ".join(printed(found).split())


@pytest.mark.parametrize(("wish", "chosen"), [("scalar", "scalar"), ("auto", _rust.kernels()[0]), ("z80", None)])
def test_frbench_isa_is_told(monkeypatch: pytest.MonkeyPatch, wish: str, chosen: str | None):
    """The variable is shown with what follows from it, even if that is nothing."""
    monkeypatch.setenv("FRBENCH_ISA", wish)
    found = machine.describe(measures=False)

    assert (wish, chosen) == (found["frbench_isa"], found["chosen"])
    assert (chosen is None) == any("z80" in note for note in found["notes"])
    assert f"FRBENCH_ISA={wish}" in printed(found)


@pytest.mark.usefixtures("elsewhere")
def test_amx_that_the_system_does_not_grant_is_told(monkeypatch: pytest.MonkeyPatch):
    """A processor with AMX and a list of kernels without it."""
    monkeypatch.setattr(machine, "_flags", lambda: {"avx2", "amx_int8"})
    monkeypatch.setattr(_rust, "kernels", lambda: ["avx2", "scalar"])

    assert machine.NOT_GRANTED in printed(machine.describe(measures=False))


def test_caches_are_read_as_far_as_the_system_tells(tmp_path: Path):
    """An entry without a size is left out; without the folder there are none."""
    for index, (level, kind, size) in enumerate(
        [("1", "Data", "48K"), ("3", "Unified", "491520K"), ("4", "Unified", "")]
    ):
        (tmp_path / f"index{index}").mkdir()
        for name, value in (("level", level), ("type", kind), ("size", size)):
            (tmp_path / f"index{index}" / name).write_text(value + "\n")

    caches = machine._caches(tmp_path)

    assert ["L1d 48 KiB", "L3 480 MiB"] == [machine._cache(cache) for cache in caches]
    assert [] == machine._caches(tmp_path / "none")


def test_a_cache_that_may_hold_what_was_read_is_told(monkeypatch: pytest.MonkeyPatch, measured: dict[str, Any]):
    """512 MiB are not much more than a cache of 480 MiB, but much more than one of 32 MiB."""
    monkeypatch.setattr(_rust, "rates", lambda *_: measured)
    found = machine.describe()
    found["rates"]["memory_read_from_bytes"] = 512 << 20

    for mib, is_told in ((480, True), (32, False)):
        caches = [{"level": 3, "type": "unified", "kib": mib << 10}]
        assert is_told == (machine.IN_CACHE.partition(":")[0] in printed(found | {"caches": caches}))
