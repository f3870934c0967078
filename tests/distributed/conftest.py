"""Leaves these tests out where TensorFlow is not installed."""

from importlib.util import find_spec
from pathlib import Path

if find_spec("keras") is None or find_spec("tensorflow") is None:
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py")]
