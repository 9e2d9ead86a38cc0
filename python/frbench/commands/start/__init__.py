"""Starts what commands ask for: options in, finished runs out."""
