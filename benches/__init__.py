"""Races of frbench against other libraries; see README.md."""
