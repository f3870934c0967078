"""Opening saved models of a folder that may be anybody's: bounded, and nothing else run.

Keras's `safe_mode` refuses code in a file.  It does not refuse a file whose weights unpack to
more than there is memory, nor one that asks for weights which it does not hold.
"""

from __future__ import annotations

import json
import math
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from lrdsl.training.manifest import SavedSnapshot, sha256_of
from lrdsl.training.stored_weights import WEIGHTS, why_refused

MOST_FILES = 10_000
"""Files in one `.keras` archive; a model has three, and one for each asset of a layer."""

MOST_CONFIG = 64 << 20
"""Bytes of a model's description in its archive."""

CONFIG = "config.json"

# A model without its optimizer may have a few more values than its file, such as seeds.
_VALUES_A_BYTE = 2
_SLACK = 1 << 20


_PACKED = "in compressed form, and Keras stores all as it is"


class MemberError(ValueError):
    """A saved model that is not opened; the text says why."""


def check(saved: SavedSnapshot) -> None:
    """See that a file is what its list says, and of a size that it may have.

    Raises:
        FileNotFoundError: it is not there.
        MemberError: it is another file, or its archive is none that Keras writes.
    """
    path = saved.path
    if path.is_symlink():
        raise MemberError(f"`{path}` is a link, and a snapshot is a file of its own")
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` is listed in `snapshots.json` and missing")
    if sha256_of(path) != saved.sha256:
        raise MemberError(f"`{path}` is not the file that was saved: its checksum differs")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise MemberError(f"`{path}` is no archive of Keras: {error}") from None
    if len(members) > MOST_FILES:
        raise MemberError(f"`{path}` holds {len(members):,} files, more than {MOST_FILES:,}")
    for member in members:
        inner = PurePosixPath(member.filename.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts or ":" in member.filename:
            raise MemberError(f"`{path}` holds {member.filename!r:.80}, a path that leads out")
        if member.compress_type != zipfile.ZIP_STORED:
            raise MemberError(f"`{path}` holds {member.filename!r:.80} {_PACKED}")
    size = path.stat().st_size
    unpacked = sum(member.file_size for member in members)
    if unpacked > size:
        raise MemberError(f"`{path}` has {size:,} bytes and says that it holds {unpacked:,}")
    sizes = {member.filename: member.file_size for member in members}
    for name in (CONFIG, WEIGHTS):
        if name not in sizes:
            raise MemberError(f"`{path}` is no model of Keras 3: it has no `{name}`")
    if sizes[CONFIG] > MOST_CONFIG:
        raise MemberError(
            f"`{path}` describes its model in {sizes[CONFIG]:,} bytes, more than "
            f"{MOST_CONFIG:,}"
        )
    why = why_refused(path)
    if why is not None:
        raise MemberError(f"`{path}` {why}")


def read_compiled(path: Path) -> dict[str, Any]:
    """Return how a saved model was compiled, as Keras's config; empty if it was not."""
    try:
        with zipfile.ZipFile(path) as archive:
            compiled = json.loads(archive.read(CONFIG)).get("compile_config")
    except (zipfile.BadZipFile, OSError, ValueError, AttributeError, RecursionError) as error:
        raise MemberError(f"`{path}` is no model of Keras 3: {error!r:.200}") from None
    return compiled if isinstance(compiled, dict) else {}


def load(path: Path, custom_objects: Mapping[str, Any] | None, *, safe_mode: bool) -> Any:
    """Load a model without its loss and optimizer, as predicting needs neither.

    Raises:
        MemberError: Keras refuses it, or it asks for weights that it does not hold.
    """
    import keras

    try:
        with in_safe_mode(safe_mode), _bounded(path):
            return keras.saving.load_model(
                path,
                custom_objects=None if custom_objects is None else dict(custom_objects),
                compile=False,
                safe_mode=safe_mode,
            )
    except MemberError:
        raise
    except Exception as error:  # Keras raises many kinds
        text = str(error).strip()
        repair = ""
        if "Could not locate" in text:
            repair = (
                "; pass its classes as `custom_objects={…}`, or import the module that "
                "registers them with Keras"
            )
        elif "unsafe" in text or "safe_mode" in text:
            repair = "; if the file is your own, pass `safe_mode=False`"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        first = lines[0] if lines else type(error).__name__
        if first.endswith(":") and len(lines) > 1:  # a lead, and what is wrong comes after it
            first = f"{first} {lines[1]}"
        raise MemberError(f"`{path}` cannot be loaded: {first:.400}{repair}") from error


@contextmanager
def in_safe_mode(safe_mode: bool) -> Iterator[None]:
    """Have Keras refuse code in configs, whatever else the process has asked for."""
    # `load_model(safe_mode=True)` gives way to `enable_unsafe_deserialization()`.
    from keras.src.saving.serialization_lib import SafeModeScope

    with SafeModeScope(safe_mode):
        yield


@contextmanager
def _bounded(path: Path) -> Iterator[None]:
    """Refuse to make more values of variables than a file can hold: before they are made."""
    import keras

    most = _VALUES_A_BYTE * path.stat().st_size + _SLACK
    asked = 0
    variable, thread = keras.Variable, threading.get_ident()
    own = vars(variable).get("__init__")
    init = variable.__init__

    def bounded_init(self: Any, initializer: Any, shape: Any = None, *a: Any, **k: Any) -> None:
        nonlocal asked
        if shape is not None and threading.get_ident() == thread:
            asked += math.prod(int(size) for size in shape)
            if asked > most:
                raise _too_much(path, asked)
        init(self, initializer, shape, *a, **k)

    variable.__init__ = bounded_init
    try:
        yield
    except Exception:
        if asked > most:
            raise _too_much(path, asked) from None
        raise
    finally:
        if own is None:
            del variable.__init__
        else:
            variable.__init__ = own
    if asked > most:  # Keras has swallowed the error
        raise _too_much(path, asked)


def _too_much(path: Path, asked: int) -> MemberError:
    return MemberError(
        f"`{path}` asks for a model of {asked:,} values or more, and has only "
        f"{path.stat().st_size:,} bytes"
    )
