"""Exact, fast benchmark and audit of face-recognition matching, by demographic group.

>>> import numpy as np
>>> import frbench
>>> gallery = frbench.Gallery(np.eye(4, dtype=np.float32))
>>> scores, rows = gallery.search(np.eye(4, dtype=np.float32)[:1], k=2)
>>> rows.tolist()
[[0, 1]]

A name is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from frbench.candidates import Candidates
    from frbench.counting.gallery import Gallery
    from frbench.errors import FrbenchError
    from frbench.estimate import Estimate
    from frbench.plan import Plan
    from frbench.tally import Tally
    from frbench.templates import Templates, load

__all__ = ["Candidates", "Estimate", "FrbenchError", "Gallery", "Plan", "Tally", "Templates", "load"]
__version__ = "0.1.0"
_MODULES = {
    "Candidates": "candidates",
    "Estimate": "estimate",
    "FrbenchError": "errors",
    "Gallery": "counting.gallery",
    "Plan": "plan",
    "Tally": "tally",
    "Templates": "templates",
    "load": "templates",
}

# Hidden from type checkers, to which a module with __getattr__ has every name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in _MODULES.values():
            return import_module(f"frbench.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module 'frbench' has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"frbench.{_MODULES[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
