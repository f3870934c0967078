"""Exact clocks, elementary functions and noise: NumPy and the standard library only."""
