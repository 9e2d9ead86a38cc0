"""Shortcuts: whom a cheaper search misses: approximate indexes, fewer bits, fewer dimensions."""
