"""Commands: one of the command line in each file; `cli` has the rest."""
