"""One command of the command line in each file; `options/` has what they share."""
