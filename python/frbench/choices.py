"""Words and numbers that commands offer and modules act on; nothing is loaded to know them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

DEFAULT_BLOCKS = 32
# Length of candidate lists.
DEFAULT_K = 50
# Engines of this machine; any other is a list of servers.
ENGINES = ("cpu", "gpu", "reference")
# Those that an exact search is held against cheaper ones with.
EXACT_ENGINES = ("cpu", "reference")
Failed = Literal["reject", "exclude", "accept"]
FAILED_POLICIES: tuple[str, ...] = get_args(Failed)
# Approximate indexes: hnswlib, three of faiss, usearch.
INDEXES = ("hnsw", "faiss-hnsw", "faiss-ivfpq", "faiss-sq8", "usearch")
# How recorded scores and candidate lists are written.
SCORE_FORMATS = ("bob2", "bob4", "bob5", "bob-csv", "pyeer", "csv")
LOG_FORMATS = ("frte", "bob4", "bob5", "csv")
# How two systems become one, and how their scores come to one scale.
Combination = Literal["sum", "weighted", "and", "or"]
Norm = Literal["z", "minmax", "none"]


def groupings_of(values: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The columns of each value, COLUMN[,COLUMN]; what is said twice counts once."""
    return tuple(dict.fromkeys(tuple(column.strip() for column in value.split(",")) for value in values))
