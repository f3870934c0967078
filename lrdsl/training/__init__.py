"""Applying a plan: the Keras callback, snapshots and their ensemble, and the launcher."""
