"""Calls a server: its client, messages, credentials and audit log."""
