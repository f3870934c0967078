"""Which process speaks, and whether there are others, by what `TF_CONFIG` says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lrdsl.training.cluster import is_chief_of_cluster, is_one_of_several

TWO = {"worker": ["a:1", "b:1"]}
WITH_CHIEF = {"chief": ["a:1"], "worker": ["b:1"]}


def task(kind: str, index: int, cluster: Any = TWO) -> dict[str, str]:
    config = {"cluster": cluster, "task": {"type": kind, "index": index}}
    return {"TF_CONFIG": json.dumps(config)}


@pytest.mark.parametrize(
    ("environment", "is_chief", "of_several"),
    [
        ({}, True, False),
        ({"TF_CONFIG": ""}, True, False),
        (task("worker", 0), True, True),
        (task("worker", 1), False, True),
        (task("chief", 0, WITH_CHIEF), True, True),
        (task("worker", 0, WITH_CHIEF), False, True),
        (task("ps", 0, {**WITH_CHIEF, "ps": ["c:1"]}), False, True),
        (task("worker", 0, {"worker": ["a:1"]}), True, False),
        ({"TF_CONFIG": "{"}, True, False),
        ({"TF_CONFIG": "[]"}, True, False),
    ],
)
def test_the_chief_speaks_and_waits_for_the_others(
    environment: dict[str, str], is_chief: bool, of_several: bool
) -> None:
    assert is_chief_of_cluster(environment) is is_chief
    assert is_one_of_several(environment) is of_several
