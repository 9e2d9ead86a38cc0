"""Reads what inputs and counts say about themselves: leaks, failures, declared numbers, single subjects."""
