"""Compares two systems on one population, trial by trial."""
