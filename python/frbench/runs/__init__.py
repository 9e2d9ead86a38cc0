"""Makes a run from options to a directory, rereads it, exports it and signs it."""
