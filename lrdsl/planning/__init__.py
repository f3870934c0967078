"""Checked program to formulas of time, and formulas to values."""
