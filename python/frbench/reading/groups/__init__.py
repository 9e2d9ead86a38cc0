"""Groups: how rates differ between them, what chance would show, and thresholds by group."""
