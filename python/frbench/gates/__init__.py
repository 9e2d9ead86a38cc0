"""Gates: rules about finished runs, and whether intervals keep, break or leave them open."""
