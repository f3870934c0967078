"""What a record is called in the tables for those who come from another library."""

from __future__ import annotations

from typing import Any


def call(record: dict[str, Any]) -> str:
    """Return the peer's call that printed a record, without the optimizer's rate."""
    return _call(record["schedule"], record["params"])


def _call(name: str, arguments: dict[str, Any]) -> str:
    given = ", ".join(
        f"{key}={_value(value)}" for key, value in arguments.items() if key not in _NOT_SAID
    )
    return f"{name}({given})"


_NOT_SAID = ("lr", "arg_offset", "metric_seq")
"""The optimizer's rate, how the record was taken, and what the metric then was."""


def _value(value: Any) -> str:
    match value:
        case {**only} if len(only) == 1 and isinstance(next(iter(only.values())), dict):
            ((name, arguments),) = only.items()
            return _call(name, arguments)
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case {**pairs}:
            return "{" + ", ".join(f"{k}: {_value(v)}" for k, v in pairs.items()) + "}"
    return repr(value)
