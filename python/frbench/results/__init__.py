"""Makes results.json from tallies, one file for each kind of run and each family of tables."""
