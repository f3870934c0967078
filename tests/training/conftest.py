"""TensorFlow for tests: quiet, on the CPU, and left out where it is not installed."""

import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

if find_spec("keras") is None or find_spec("tensorflow") is None:
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py")]


@pytest.fixture(autouse=True)
def _quiet_keras() -> None:
    # What Keras says to NumPy 2 about its own variables, whoever reads one.
    warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
