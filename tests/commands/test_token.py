"""`frbench token`: a secret that only its caller knows."""

from __future__ import annotations

import base64
import hashlib
import tomllib

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from frbench.cli import app
from frbench.commands.token import SCOPES, stanza


def run(*arguments: str):
    """The command, in this process."""
    return CliRunner().invoke(app, ["token", *arguments])


def test_the_configuration_knows_the_hash_of_the_token():
    """And the token itself is nowhere in it."""
    printed = run("desk-4", "--scope", "search", "--scope", "count", "--rate", "2.5").output
    secret = printed.splitlines()[1]
    entry = tomllib.loads(printed.partition("[[tokens]]")[1] + printed.partition("[[tokens]]")[2])["tokens"][0]

    assert 32 == len(base64.urlsafe_b64decode(secret + "="))
    assert 1 == printed.count(secret)
    assert entry == {
        "name": "desk-4",
        "sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "scopes": ["search", "count"],
        "rate_per_s": 2.5,
        "burst": 3,
    }


def test_no_two_tokens_are_the_same():
    """Each is drawn anew."""
    assert run("a", "--scope", "search").output != run("a", "--scope", "search").output


@given(
    st.text(min_size=1, max_size=60).filter(str.isprintable),
    st.lists(st.sampled_from(SCOPES), min_size=1),
    st.none() | st.floats(1e-9, 1e9),
)
def test_the_entry_is_toml_that_says_what_was_asked_for(name: str, scopes: list[str], rate: float | None):
    """Whatever letters a name has."""
    entry = tomllib.loads(stanza(name, "x", scopes=tuple(scopes), rate=rate, burst=None))["tokens"][0]

    assert (entry["name"], set(entry["scopes"]), entry.get("rate_per_s")) == (name, set(scopes), rate)
    assert (rate is None) == ("burst" not in entry)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["", "--scope", "search"], "NAME is ''"),
        (["a\nb", "--scope", "search"], "expected 1 to 256 bytes that can be printed"),
        (["é" * 129, "--scope", "search"], "expected 1 to 256 bytes"),
        (["a", "--scope", "search", "--rate", "0"], "--rate is 0.0"),
        (["a", "--scope", "search", "--rate", "nan"], "--rate is nan"),
        (["a", "--scope", "search", "--burst", "2"], "--burst is given without --rate"),
    ],
)
def test_a_caller_that_cannot_be_is_refused(arguments: list[str], said: str):
    """Before a token is drawn."""
    answer = run(*arguments)

    assert said in str(answer.exception)
    assert "" == answer.output


def test_a_scope_is_required():
    """Nothing is allowed that was not asked for."""
    assert "Missing option '--scope'" in run("a").output
    assert "is not one of 'search', 'enrol', 'count', 'admin'" in run("a", "--scope", "sing").output
