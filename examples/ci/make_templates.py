"""Writes templates/: what two versions of a matcher might make of the same 900 images. Drawn numbers, no faces."""

from pathlib import Path

import numpy as np

SUBJECTS, IMAGES, DIMENSION = 300, 3, 16


def main() -> None:
    """Writes old.npy, new.npy and labels.csv."""
    random = np.random.default_rng(1)
    people = np.repeat(random.normal(size=(SUBJECTS, DIMENSION)), IMAGES, axis=0)
    old = people + 0.5 * random.normal(size=people.shape)
    new = old + 0.02 * random.normal(size=people.shape)
    out = Path(__file__).parent / "templates"
    for name, rows in (("old", old), ("new", new)):
        np.save(out / f"{name}.npy", rows.astype(np.float16))
    lines = [
        f"image{i},person{i // IMAGES},{'female' if i // IMAGES % 2 else 'male'}" for i in range(SUBJECTS * IMAGES)
    ]
    (out / "labels.csv").write_text("\n".join(["template_id,subject_id,sex", *lines]) + "\n")


if __name__ == "__main__":
    main()
