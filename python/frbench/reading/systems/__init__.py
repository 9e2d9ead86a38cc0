"""Systems: two of them on one population, compared trial by trial."""
