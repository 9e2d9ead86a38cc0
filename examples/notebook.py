"""From templates to a table with intervals: cells of a notebook, to be run from the root of the repository.

python examples/notebook.py
"""

# %% five lines
from frbench import verify

run = verify("examples/lfw/dlib-128.npy", "examples/lfw/labels.csv", by="sex", at="fmr=1e-3")
print(run)
rates = run.table("rates").to_arrow()

# %% one rate, with its interval, errors and comparisons
fnmr = run.estimate("fnmr[sex=female] at fmr=1e-3")
print(f"FNMR of female: {fnmr.value:.1%} ({fnmr.low:.1%} to {fnmr.high:.1%}), {fnmr.k:,} of {fnmr.n:,}")

# %% a chart of the page; the last line of a cell shows it
chart = run.plot("det")
print(chart)

# %% another system on the same images, from arrays
import numpy as np  # noqa: E402

other = np.load("examples/lfw/faceres-256.npy")
compared = verify(other, "examples/lfw/labels.csv", by="sex", at="fmr=1e-3").compare(run)
print(compared)
