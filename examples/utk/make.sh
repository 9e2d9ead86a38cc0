#!/bin/bash
# Counts the tallies beside this script from the templates, which are not here.
# make.sh DATA: a directory with dlib-128.npy and labels.csv, as README.md describes them.
set -euo pipefail
data=${1:?expected the directory of dlib-128.npy and labels.csv}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Above it scores do not thin out as those of different people do: see README.md.
LIKELY_DUPLICATE=0.99

# One row has no labels; it is left out, and so are columns that are not counted by.
python3 - "$data" "$work" <<'PYTHON'
import csv
import sys
from pathlib import Path

import numpy as np

data, work = map(Path, sys.argv[1:])
with (data / "labels.csv").open(newline="") as file:
    rows = list(csv.DictReader(file))
kept = [i for i, row in enumerate(rows) if row["race"] and row["sex"]]
np.save(work / "templates.npy", np.load(data / "dlib-128.npy")[kept])
with (work / "labels.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["template_id", "subject_id", "race", "sex"])
    writer.writerows([rows[i][name] for name in ("template_id", "subject_id", "race", "sex")] for i in kept)
PYTHON

count() {
  frbench verify "$work/templates.npy" --labels "$work/labels.csv" --group race,sex --axis-from 0.942 \
    --thresholds 0.95,0.96,0.97 --no-report --quiet --out "$work/$1" "${@:2}"
}

count all --keep-pairs 100
python3 - "$work/all/tail.csv" "$here/duplicates.csv" "$LIKELY_DUPLICATE" <<'PYTHON'
import csv
import sys

with open(sys.argv[1], newline="") as file:
    found = [row for row in csv.DictReader(file) if float(row["score"]) >= float(sys.argv[3])]
names = ("template_a", "template_b", "score", "group_a", "group_b")
with open(sys.argv[2], "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(sorted(([row[name] for name in names] for row in found), key=lambda r: -float(r[2])))
PYTHON
count without --exclude "$here/duplicates.csv"

cp "$work/all/tally.safetensors" "$here/all.safetensors"
cp "$work/without/tally.safetensors" "$here/without-duplicates.safetensors"
