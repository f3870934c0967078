"""Frozen dataclasses at a tenth of the cost of their import.

`dataclasses` writes, compiles and runs six functions for each class when its module is
imported: for the hundred classes of a `lrdsl check` that is as long as four starts of
Python.  Here a class shares what it can, and its `__init__` is compiled when its first
instance is made.  For type checkers these are the functions of `dataclasses`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

_NOTHING: Any = object()


class Field:
    """What is said of one attribute."""

    __slots__ = ("compare", "default", "default_factory", "init", "name", "repr")

    def __init__(
        self, default: Any, default_factory: Any, init: bool, repr: bool, compare: bool
    ) -> None:
        self.name = ""
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import replace as replace
else:

    def field(
        *, default=_NOTHING, default_factory=_NOTHING, init=True, repr=True, compare=True
    ):
        """Return what to say of one attribute, as `dataclasses.field`."""
        return Field(default, default_factory, init, repr, compare)

    def dataclass(
        cls=None, /, *, frozen=False, slots=False, eq=True, order=False, kw_only=False
    ):
        """Return the class as a record of its annotated attributes, as `dataclasses`."""
        if cls is None:
            return lambda cls: _made(cls, frozen, slots, eq, order, kw_only)
        return _made(cls, frozen, slots, eq, order, kw_only)

    def fields(record):
        """Return the fields of a record or its class, in their order."""
        return tuple(record.__record_fields__.values())

    def replace(record, /, **changes):
        """Return a record with some of its attributes changed."""
        for one in record.__record_fields__.values():
            if one.init and one.name not in changes:
                changes[one.name] = getattr(record, one.name)
        return type(record)(**changes)


def _made(cls: Any, frozen: bool, slots: bool, eq: bool, order: bool, kw_only: bool) -> Any:
    found: dict[str, Any] = dict(getattr(cls, "__record_fields__", {}))
    annotations: dict[str, Any] = cls.__annotations__
    own = [name for name, kind in annotations.items() if "ClassVar" not in kind]
    for name in own:
        default = cls.__dict__.get(name, _NOTHING)
        one = default
        if not isinstance(default, Field):
            one = Field(default, _NOTHING, True, True, True)
        one.name = name
        found[name] = one
    added: dict[str, Any] = {
        "__record_fields__": found,
        "__dataclass_fields__": _DataclassFields(),
    }
    asked = tuple(one.name for one in found.values() if one.init)
    added["__match_args__"] = () if kw_only else asked
    if eq and "__eq__" not in cls.__dict__:
        compared = tuple(one.name for one in found.values() if one.compare)
        added["__record_key__"] = staticmethod(_key(compared))
        added["__eq__"] = _eq
        added["__hash__"] = _hash if frozen else None
    if order:
        for compare in (lt, le, gt, ge):
            added[f"__{compare.__name__}__"] = _ordered(compare)
    if frozen:
        added["__setattr__"] = _refuse_set
        added["__delattr__"] = _refuse_delete
        added["__getstate__"] = _getstate
        added["__setstate__"] = _setstate
    for name, method in (("__repr__", _repr), ("__init__", _first_init(frozen, kw_only))):
        if name not in cls.__dict__:
            added[name] = method
    if not slots:
        for name in own:
            if found[name].default is not _NOTHING:
                setattr(cls, name, found[name].default)
            elif name in cls.__dict__:
                delattr(cls, name)
        for name, value in added.items():
            setattr(cls, name, value)
        return cls
    # A class with slots is another class: slots are laid out when it is made.
    left_out = {*own, "__dict__", "__weakref__"}
    body = {name: value for name, value in cls.__dict__.items() if name not in left_out}
    return type(cls)(cls.__name__, cls.__bases__, {**body, **added, "__slots__": tuple(own)})


class _DataclassFields:
    """What the functions of `dataclasses` look for, made for those who use them."""

    def __get__(self, record: Any, owner: Any) -> dict[str, Any]:
        import dataclasses

        described = []
        for one in owner.__record_fields__.values():
            said = {"init": one.init, "repr": one.repr, "compare": one.compare}
            described.append((one.name, Any, dataclasses.field(**said)))
        made: Any = dataclasses.make_dataclass(owner.__name__, described, init=False)
        found: dict[str, Any] = made.__dataclass_fields__
        owner.__dataclass_fields__ = found  # once is enough
        return found


def _key(names: tuple[str, ...]) -> Any:
    """Return a function to the tuple of some attributes."""
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return (lambda record: (get(record),)) if len(names) == 1 else get


def _first_init(frozen: bool, kw_only: bool) -> Any:
    """Return an `__init__` that puts the compiled one in its place."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        home: Any = next(c for c in type(self).__mro__ if vars(c).get("__init__") is __init__)
        compiled = _compiled_init(home, frozen, kw_only)
        home.__init__ = compiled
        compiled(self, *args, **kwargs)

    return __init__


def _compiled_init(cls: Any, frozen: bool, kw_only: bool) -> Any:
    names: dict[str, Any] = {"_set": object.__setattr__, "_nothing": _NOTHING}
    head, lines = ["self", *(["*"] if kw_only else [])], []
    for name, one in cls.__record_fields__.items():
        value = name
        if one.default_factory is not _NOTHING:
            names[f"_make_{name}"] = one.default_factory
            made = f"_make_{name}()"
            value = f"{made} if {name} is _nothing else {name}" if one.init else made
            default = "=_nothing"
        elif one.default is not _NOTHING:
            names[f"_default_{name}"] = one.default
            default = f"=_default_{name}"
        else:
            default = ""
        if one.init:
            head.append(name + default)
        elif one.default_factory is _NOTHING:
            continue  # `__post_init__` sets it
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(head)}):\n " + "\n ".join(lines or ["pass"]), names)
    return names["__init__"]


def _repr(self: Any) -> str:
    shown = (f for f in self.__record_fields__.values() if f.repr)
    inside = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in shown)
    return f"{type(self).__qualname__}({inside})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self.__record_key__(self) == self.__record_key__(other)


def _hash(self: Any) -> int:
    return hash(self.__record_key__(self))


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    def ordered(self: Any, other: Any) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return compare(self.__record_key__(self), self.__record_key__(other))

    return ordered


def _refuse_set(self: Any, name: str, value: Any) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> dict[str, Any]:
    state = {name: getattr(self, name) for name in self.__record_fields__}
    return {**getattr(self, "__dict__", {}), **state}


def _setstate(self: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        object.__setattr__(self, name, value)
