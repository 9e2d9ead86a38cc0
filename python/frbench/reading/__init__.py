"""Reads tallies: rates with intervals, differences between groups and systems."""
