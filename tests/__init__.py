"""Tests, in the folders of what they test; worlds/ has the populations and helpers that they share."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
