"""Counts trials: who is compared with whom, tile by tile, until a tally is whole."""
