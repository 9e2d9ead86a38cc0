"""Counts scores and candidate lists that other tools wrote."""
