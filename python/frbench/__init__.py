"""Exact, fast benchmark and audit of face-recognition matching, by demographic group.

Templates in, rates with intervals out. `templates` are an (n, d) array or the path of one, `labels` a data frame, a
mapping or the path of a table with a column subject_id; `frbench.verify?` and its neighbours say the rest.

    run = frbench.verify(templates, labels, by="sex", at="fmr=1e-3")    # 1:1; nothing is written unless out= is given
    run                                                                 # a table with intervals, and sentences
    run.table("rates").to_pandas()                                      # or .to_polars(), or pyarrow
    run.estimate("fnmr[sex=female] at fmr=1e-3")                        # value, low, high, k, n
    run.plot("det")                                                     # a chart of the page, inline
    run.compare(old); run.gate("gates.toml"); run.report("report.html"); run.write("out/verify")

Verbs, named as the commands: verify, identify, latency, fuse, ann and precision make runs; read, report, compare and
transfer work on finished ones; power plans a study. Nouns: Templates, Plan, Candidates, Tally, Estimate, and Run.

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
    from frbench.api import (
        Comparison,
        Run,
        ann,
        compare,
        fuse,
        identify,
        latency,
        power,
        precision,
        read,
        report,
        transfer,
        verify,
    )
    from frbench.candidates import Candidates
    from frbench.counting.gallery import Gallery
    from frbench.errors import FrbenchError, InputError
    from frbench.estimate import Estimate
    from frbench.plan import Plan
    from frbench.tally import Tally
    from frbench.templates import Templates, load

_VERBS = ("ann", "compare", "fuse", "identify", "latency", "power", "precision", "read", "report", "transfer", "verify")
_MODULES = {
    **dict.fromkeys(("Comparison", "Run", *_VERBS), "api"),
    "Candidates": "candidates",
    "Estimate": "estimate",
    "FrbenchError": "errors",
    "Gallery": "counting.gallery",
    "InputError": "errors",
    "Plan": "plan",
    "Tally": "tally",
    "Templates": "templates",
    "load": "templates",
}
__all__ = [
    "Candidates",
    "Comparison",
    "Estimate",
    "FrbenchError",
    "Gallery",
    "InputError",
    "Plan",
    "Run",
    "Tally",
    "Templates",
    "ann",
    "compare",
    "fuse",
    "identify",
    "latency",
    "load",
    "power",
    "precision",
    "read",
    "report",
    "transfer",
    "verify",
]
__version__ = "0.1.0"

# Hidden from type checkers, to which a module with __getattr__ has every name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in _MODULES:
            found = globals()[name] = getattr(import_module(f"frbench.{_MODULES[name]}"), name)
            return found
        if name in _MODULES.values():
            return import_module(f"frbench.{name}")
        raise AttributeError(f"module 'frbench' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
