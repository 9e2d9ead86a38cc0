"""Compares cheaper searches with the exact one: approximate indexes, fewer bits, fewer dimensions."""
