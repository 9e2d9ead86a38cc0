"""Reads from a file what one machine of a cluster holds and does in a second."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from math import inf
from pathlib import Path
from typing import Any

from frbench.errors import InputError


@dataclass(frozen=True)
class Hardware:
    """Machines of one kind.

    Parameters
    ----------
    memory_gib : of a machine.
    dimension : at which rates were measured; they are taken to fall as it grows.
    comparisons_per_s : of a worker, searching.
    settled_share : of pairs that its screen leaves to the definition.
    rows_read_per_s : of a worker: from storage to rows that are normalised, checked and packed.
    rows_prepared_per_s : of the program that hands out the work, which reads and checks every row once itself.
    candidates_merged_per_s : of that program.
    labels_prepared_per_s : of that program, whatever the dimension; None if labels take no time.
    rows_passed_per_s : of a worker, in one search, however few its probes.
    lists_per_s : candidate lists that a worker begins, however few its rows. Both stand beside comparisons; None if
        those are all that a search takes.
    storage_bytes_per_s : into a machine; None if files lie in its memory already.
    workers : on a machine.
    threads : of each.
    machines : there are; None for as many as it takes.
    network_bytes_per_s : into a machine; None if sending probes takes no time.
    price_per_hour : of a machine, in `currency`; None if nobody asked.
    source : where these numbers come from.
    """

    memory_gib: float
    dimension: int
    comparisons_per_s: float
    rows_read_per_s: float
    rows_prepared_per_s: float
    candidates_merged_per_s: float
    settled_share: float | None = None
    labels_prepared_per_s: float | None = None
    rows_passed_per_s: float | None = None
    lists_per_s: float | None = None
    storage_bytes_per_s: float | None = None
    workers: int = 1
    threads: int = 1
    machines: int | None = None
    network_bytes_per_s: float | None = None
    price_per_hour: float | None = None
    currency: str = ""
    name: str = ""
    source: str = ""

    @classmethod
    def read(cls, path: Path) -> Hardware:
        """The hardware that a TOML or JSON file names, or the `hardware` in what `frbench plan --json` printed.

        Raises
        ------
        InputError : the file cannot be read, lacks a field, or has one that is none or no number above 0.
        """
        try:
            text = path.read_text()
            found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except OSError as error:
            raise InputError(f"{path}: cannot read the hardware file ({error.strerror})") from error
        except ValueError as error:
            raise InputError(f"{path}: not a hardware file in TOML or JSON ({error})") from error
        named = found.get("hardware", found) if isinstance(found, dict) else found
        if not isinstance(named, dict):
            raise InputError(f"{path}: not a hardware file, expected a table of fields")
        return cls(**_checked(path, named))


def _checked(path: Path, found: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name: field for field in fields(Hardware)}
    missing = [name for name, field in known.items() if field.default is MISSING and found.get(name) is None]
    if unknown := sorted(set(found) - set(known)):
        raise InputError(f"{path}: no field {unknown[0]!r} of hardware, expected {', '.join(known)}")
    if missing:
        raise InputError(f"{path}: lacks {missing[0]}; `frbench plan --json` on such a machine measures it")
    for name, value in found.items():
        _check(path, name, value, str(known[name].type))
    return dict(found)


def _check(path: Path, name: str, value: Any, kind: str) -> None:
    if value is None and "None" in kind:
        return
    kinds = (str,) if kind == "str" else (int, float) if "float" in kind else (int,)
    is_fit = isinstance(value, kinds) and not isinstance(value, bool)
    if kind == "str":
        expected = "a text"
    elif name == "settled_share":
        is_fit, expected = is_fit and 0 <= value <= 1, "a share from 0 to 1"
    else:
        is_fit, expected = is_fit and 0 < value < inf, f"a {'number' if float in kinds else 'whole number'} above 0"
    if not is_fit:
        raise InputError(f"{path}: {name} is {value!r}, expected {expected}")
