"""What the environment says of the machines that train together, before Keras is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def is_chief_of_cluster(environment: Mapping[str, str]) -> bool:
    """Return whether this process is the one that speaks, as `TF_CONFIG` tells it."""
    try:
        config = _config(environment)
        task, cluster = config.get("task", {}), config.get("cluster", {})
        if task.get("type") != "worker":
            return bool(task.get("type") in (None, "chief", "master"))
        return not cluster.get("chief") and int(task.get("index", 0)) == 0
    except (ValueError, TypeError, AttributeError):
        return True  # TensorFlow will say what is wrong with it


def is_one_of_several(environment: Mapping[str, str]) -> bool:
    """Return whether other processes train with this one, as `TF_CONFIG` tells it."""
    try:
        cluster = _config(environment).get("cluster", {})
        return sum(len(cluster.get(kind, ())) for kind in ("chief", "master", "worker")) > 1
    except (ValueError, TypeError, AttributeError):
        return False


def _config(environment: Mapping[str, str]) -> Any:
    return json.loads(environment.get("TF_CONFIG") or "{}")
