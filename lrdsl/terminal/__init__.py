"""A plan in the terminal, in braille or ASCII: its chart and its tables."""
