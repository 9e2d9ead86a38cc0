"""Holds rules against finished runs, and says whether intervals keep, break or leave them open."""
