"""As much of Keras as adding a callback to `fit` touches, without what makes it slow."""

from . import callbacks as callbacks
from . import tree as tree
from .model import Model as Model
from .model import Sequential as Sequential

print("keras is executed")
