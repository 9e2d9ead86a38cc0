"""Scores pairs by two systems that decide together, as one more run."""
