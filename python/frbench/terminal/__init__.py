"""Shows a run on a terminal: tables, and numbers as people read them."""
