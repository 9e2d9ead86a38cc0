"""Populations with known answers, and what tests drive: servers, browsers, machines that are not there."""
