"""What files of recorded comparisons and of recorded searches have in common: columns by role, ids, and scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from frbench.counting.recorded.column_stream import ColumnStream, Dialect
from frbench.errors import InputError
from frbench.inputs.arrays import Bools, Floats, Ints, Ints32
from frbench.inputs.tables import Texts, texts

BOB = {
    "bob2": ("label", "score"),
    "bob4": ("claimed_id", "real_id", "test_label", "score"),
    "bob5": ("claimed_id", "model_label", "real_id", "test_label", "score"),
}


class Named(NamedTuple):
    """Ids of some rows: the distinct ones, and which of them each row has."""

    ids: Texts
    of_row: Ints32

    def at(self, row: int) -> str:
        """The id of a row."""
        return str(self.ids[self.of_row[row]])


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a file, from number `first` on, counted from 0: `arrays` by role."""

    stream: ColumnStream
    first: int
    arrays: Mapping[str, pa.Array]

    def __len__(self) -> int:
        return len(self.arrays["score"])

    def scores(self, *, is_distance: bool) -> Floats:
        """(n,) similarities, NaN where there is none.

        Raises
        ------
        InputError : a score is infinite; the message names the line.
        """
        score: Floats = self.arrays["score"].to_numpy(zero_copy_only=False)
        if (is_infinite := np.isinf(score)).any():
            row = int(is_infinite.argmax())
            raise self.mistake(row, f"score is {score[row]}, expected a finite number, or nan for a failure")
        return -score if is_distance else score

    def ids(self, role: str, *, needed: Bools | None = None) -> Named:
        """The ids of a role.

        needed : (n,) rows that must have one; None for all.

        Raises
        ------
        InputError : one of them has none; the message names the line.
        """
        found = self.words(role)
        lacking = np.isin(found.of_row, np.flatnonzero(found.ids == "")) & (True if needed is None else needed)
        if lacking.any():
            raise self.mistake(int(lacking.argmax()), f"empty {self.stream.wanted[role].name}, expected an id")
        return found

    def words(self, role: str) -> Named:
        """The texts of a role, some of which may be empty."""
        encoded = pc.dictionary_encode(self.arrays[role])
        return Named(texts(encoded.dictionary.to_pylist()), encoded.indices.to_numpy(zero_copy_only=False))

    def integers(self, role: str) -> Ints | None:
        """(n,) whole numbers of a role; None if the file has none."""
        array = self.arrays.get(role)
        return None if array is None else np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.int64)

    def mistake(self, row: int, what: str) -> InputError:
        """An error that names the line of one of these rows."""
        return InputError(f"{self.stream.path}, {self.stream.where(self.first + row)}: {what}")


@dataclass(frozen=True)
class RecordedFile(ABC):
    """A file that another program wrote.

    Parameters
    ----------
    columns : names that the user gives for roles, instead of those of the format.
    is_distance : lower scores are more alike.
    threads : whether Arrow may use several.
    """

    path: str
    format: str
    columns: Mapping[str, str] | None = None
    is_distance: bool = False
    threads: bool = True

    @abstractmethod
    def stream(self) -> ColumnStream:
        """The columns that are wanted, by role.

        Raises
        ------
        InputError : the file lacks a column, or does not fit its format.
        """

    def parts(self) -> Iterator[Rows]:
        """All rows, some after the other."""
        stream, first = self.stream(), 0
        for arrays in stream:
            rows = Rows(stream, first, arrays)
            yield rows
            first += len(rows)

    def where(self, row: int) -> str:
        """File and position of `row`, counted from 0, as a person finds it."""
        return f"{self.path}, {self.stream().where(row)}"

    def bob_dialect(self, line: str) -> Dialect:
        """That of a bob format in a file that begins with `line`."""
        return Dialect(BOB[self.format], "\t" if "\t" in line else " ")
