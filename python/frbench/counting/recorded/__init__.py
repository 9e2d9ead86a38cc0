"""Recorded: scores and candidate lists that other tools wrote, as tallies."""
