"""Rules: a TOML file is read and checked as a whole before anything is counted."""

from __future__ import annotations

import textwrap
import tomllib
from pathlib import Path

import pytest

from frbench.errors import InputError
from frbench.gates import rules as module
from frbench.gates.rules import Rules, default_for_times

GOOD = 'claim = "fnmr[sex=f] at 0.5"\nupper = 0.1\n'


def read(tmp_path: Path, text: str, **given) -> Rules:
    """Rules in a file."""
    path = tmp_path / "gates.toml"
    path.write_text(text)
    return Rules.read(path, **given)


def test_rules_stand_in_their_order_with_their_doubt(tmp_path: Path):
    """A rule's own doubt goes before that of all, and the caller's before both."""
    text = f'[gate]\ndoubt = "warn"\nfalse_failures = 0.02\n[[rule]]\n{GOOD}[[rule]]\n{GOOD}doubt = "pass"\n'
    found = read(tmp_path, text)

    assert [(rule.number, rule.doubt) for rule in found.rules] == [(1, "warn"), (2, "pass")]
    assert found.false_failures == 0.02
    assert {rule.doubt for rule in read(tmp_path, text, doubt="fail").rules} == {"fail"}


def test_doubt_fails_unless_somebody_says_otherwise(tmp_path: Path):
    """Silence is no pass."""
    assert read(tmp_path, f"[[rule]]\n{GOOD}").rules[0].doubt == "fail"


def test_a_baseline_is_needed_for_changes_alone(tmp_path: Path):
    """A claim is about one run."""
    assert not read(tmp_path, f"[[rule]]\n{GOOD}").are_paired
    assert read(tmp_path, '[[rule]]\nchange = "fnmr at 0.5"\nupper = 0.1').are_paired


def test_without_rules_no_median_may_rise_by_more_than_5_percent():
    """For files of benchmarks."""
    (rule,) = default_for_times().rules

    assert (rule.kind, rule.claim.metric, rule.whose, rule.bounds.upper) == ("change", "median", "each", 1.05)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"there is no \[\[rule\]\]"),
        ("rule = 3", r"there is no \[\[rule\]\]"),
        ("[[rule]", "is not a file of rules"),
        (f"[[rules]]\n{GOOD}", "the file has the key 'rules', expected gate, rule"),
        (f"[gate]\nlevel = 0.9\n[[rule]]\n{GOOD}", r"\[gate\] has the key 'level', expected doubt, false_failures"),
        (f"[gate]\nfalse_failures = 0.5\n[[rule]]\n{GOOD}", "false_failures is 0.5, expected a probability"),
        (f"[[rule]]\n{GOOD}[[rule]]\n{GOOD}bound = 1", "rule 2: it has the key 'bound', expected claim, ratio, change"),
        (f'[[rule]]\n{GOOD}doubt = "maybe"', "doubt is 'maybe', expected fail, warn, pass"),
        ("[[rule]]\nupper = 0.1", "it has no quantity, expected one text: claim, ratio, change"),
        (f'[[rule]]\n{GOOD}change = "fnmr at 0"', "it has claim and change"),
        (
            '[[rule]]\nclaim = "fnmr[sex] at 0"\nupper = 0.1',
            "names no group, expected .sex=.*group = 'each' or 'worst'",
        ),
        (f'[[rule]]\n{GOOD}group = "each"', "needs the labels alone, such as fnmr.sex."),
        (f'[[rule]]\n{GOOD}group = "all"', "group is 'all', expected 'each' or 'worst'"),
        (f'[[rule]]\n{GOOD}reference = "m"', "reference is the group that a ratio is taken to"),
        ('[[rule]]\nratio = "fmr at 0"\nupper = 2', "a ratio is of the rates of two groups"),
        ('[[rule]]\nratio = "p99[sex=f]"\nupper = 2', "a ratio is of the rates of two groups"),
        ('[[rule]]\nchange = "fmr[sex] at 0"\ngroup = "worst"\nupper = 0.1', "take group = 'each'"),
        ('[[rule]]\nchange = "median"\nupper = "5%"', "either change = 'median.NAME.'"),
        ('[[rule]]\nclaim = "median[a]"\nupper = "5ms"', "expected change = 'median.a.'"),
    ],
)
def test_bad_rules_are_refused(tmp_path: Path, text: str, said: str):
    """One sentence with the file, the rule and what is possible; misuse."""
    with pytest.raises(InputError, match=said) as refused:
        read(tmp_path, text)
    assert str(tmp_path) in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_missing_file_of_rules_is_misuse(tmp_path: Path):
    """The file is named."""
    with pytest.raises(InputError, match=r"nowhere\.toml is not a file of rules"):
        Rules.read(tmp_path / "nowhere.toml")


def test_the_example_in_the_documentation_is_read():
    """The rules that the module shows are rules."""
    text = textwrap.dedent(module.__doc__.split("\n\n", 1)[1])
    found = Rules.parse(tomllib.loads(text), name="example")

    assert [rule.kind for rule in found.rules] == ["claim", "change"]
