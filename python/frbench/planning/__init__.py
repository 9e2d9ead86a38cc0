"""Says what a run will take before it starts, and measures this machine."""
