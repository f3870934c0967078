"""The random numbers that a training draws outside of its model: taken, and put back.

On torch a Dropout that was given no seed draws from torch's own generator, and so does the
order of shuffled data.  On JAX that order is NumPy's, and of a `PyDataset` it is Python's.
Those of TensorFlow cannot be read.
"""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np


def take() -> dict[str, Any]:
    """Return the state of each generator, as JSON can hold it."""
    version, numbers, gauss = random.getstate()
    states = {
        "python": [version, list(numbers), gauss],
        "numpy": _plain(np.random.get_state(legacy=False)),
    }
    if keras.backend.backend() == "torch":
        states["torch"] = {
            device: module.get_rng_state().numpy().tobytes().hex()
            for device, module in _torch_generators().items()
        }
    return states


def put_back(states: dict[str, Any]) -> None:
    """Let each generator go on where `take` was called."""
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(states["numpy"])
    if keras.backend.backend() == "torch":
        import torch

        for device, module in _torch_generators().items():
            if device in states["torch"]:
                state = bytearray.fromhex(states["torch"][device])
                module.set_rng_state(torch.frombuffer(state, dtype=torch.uint8))


def _torch_generators() -> dict[str, Any]:
    """Return the modules of torch with a generator that Keras draws from, by device."""
    import torch

    device = keras.ops.zeros(()).device.type  # the one that Keras trains on
    modules = {"cpu": torch.random}
    return modules if device == "cpu" else {**modules, device: getattr(torch, device)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
