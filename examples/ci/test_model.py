"""What a new version of the matcher must keep."""


def test_the_new_model_keeps_the_gates(frbench_run):
    """Rates by sex, and changes against the old model on the same images."""
    frbench_run("templates/new.npy", group="sex", at="fmr=1e-2").gate("gates.toml", baseline="templates/old.npy")


def test_few_mated_pairs_of_everybody_are_missed(frbench_run):
    """An estimate has value, low, high, k and n."""
    fnmr = frbench_run("templates/new.npy", group="sex", at="fmr=1e-2").estimate("fnmr at fmr=1e-2")

    assert fnmr.high < 0.1, f"{fnmr.k} of {fnmr.n} mated pairs are missed, up to {fnmr.high:.1%}"
