"""Studies: what frbench claims about its own figures, checked by simulation and written into `docs/`."""
