"""Every limit of the language: any text, from anyone, is safe to check and plot."""

from __future__ import annotations

from typing import Final

CHARACTERS: Final = 1_000_000
"""Length of a text."""

NESTING: Final = 100
"""Levels of nesting in a text, and in what its calls expand to."""

NODES: Final = 200_000
"""Nodes of a program once its calls are expanded."""

SEGMENTS: Final = 50_000
"""Segments of one sequence."""

TURNS: Final = 10_000
"""Turns of a `repeat` that stretches (turns of equal length are not limited)."""

SNAPSHOTS: Final = 10_000
"""Snapshots of a plan."""

TIME_BITS: Final = 4096
"""Bits of the denominator of a boundary: sums of many odd fractions grow without end."""

PARAMETERS: Final = 100
"""Parameters of one `def`."""

DIGITS: Final = 40
"""Digits of a number, its exponent aside."""

EXPONENT: Final = 400
"""Size of a number's exponent of ten, either sign."""

STEPS: Final = 10**15
"""Steps of a training; below 2**53, so that every step is a float64."""

PROOF_STEPS: Final = 2**26
"""Steps evaluated at most to show that a rate is finite and not negative."""

DIAGNOSTICS: Final = 100
"""Problems reported at once."""
