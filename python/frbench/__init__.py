"""Exact, fast benchmark and audit of face-recognition matching, by demographic group.

>>> import numpy as np
>>> import frbench
>>> gallery = frbench.Gallery(np.eye(4, dtype=np.float32))
>>> scores, rows = gallery.search(np.eye(4, dtype=np.float32)[:1], k=2)
>>> rows.tolist()
[[0, 1]]
"""

from frbench.candidates import Candidates
from frbench.errors import FrbenchError
from frbench.estimate import Estimate
from frbench.gallery import Gallery
from frbench.plan import Plan
from frbench.tally import Tally
from frbench.templates import Templates, load

__all__ = ["Candidates", "Estimate", "FrbenchError", "Gallery", "Plan", "Tally", "Templates", "load"]
__version__ = "0.1.0"
