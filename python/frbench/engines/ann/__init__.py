"""Approximate indexes by name: each proposes rows of a gallery, and the definition scores what is proposed.

An index can miss, and never misscore. Only the modules of this folder know the libraries; a new family is one `Family`.
"""

from __future__ import annotations

from frbench.engines.ann.faiss_indexes import FAISS_HNSW, FAISS_IVFPQ, FAISS_SQ8
from frbench.engines.ann.hnsw import HNSW
from frbench.engines.ann.usearch_index import USEARCH

FAMILIES = {family.name: family for family in (HNSW, FAISS_HNSW, FAISS_IVFPQ, FAISS_SQ8, USEARCH)}
