"""Reads the rates of smaller galleries, exactly, and of larger ones, by models that passed a test."""
