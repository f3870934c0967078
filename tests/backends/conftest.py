"""The tests of this folder run on any of Keras's backends: KERAS_BACKEND says on which."""

import os
from importlib.util import find_spec
from pathlib import Path

from training.conftest import _quiet_keras  # noqa: F401

if find_spec("keras") is None or find_spec(os.environ["KERAS_BACKEND"]) is None:
    collect_ignore = [path.name for path in Path(__file__).parent.glob("test_*.py")]
