"""HTTP in and out. Decides nothing."""
