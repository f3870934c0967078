"""What the environment says of the machines that train together, before Keras is there."""

from __future__ import annotations

import json
from collections.abc import Mapping


def is_chief_of_cluster(environment: Mapping[str, str]) -> bool:
    """Return whether this process is the one that speaks, as `TF_CONFIG` tells it."""
    try:
        config = json.loads(environment.get("TF_CONFIG") or "{}")
        task, cluster = config.get("task", {}), config.get("cluster", {})
        if task.get("type") != "worker":
            return bool(task.get("type") in (None, "chief", "master"))
        return not cluster.get("chief") and int(task.get("index", 0)) == 0
    except (ValueError, TypeError, AttributeError):
        return True  # TensorFlow will say what is wrong with it
