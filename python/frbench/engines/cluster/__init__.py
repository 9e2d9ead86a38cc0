"""Rows that many workers hold, a part each; their counts add, their candidates merge."""
