"""Reads how rates differ between groups, what chance would show, and thresholds by group."""
