"""A small network learns to read handwritten digits: the 1,797 images of scikit-learn.

On its own, with a constant learning rate:

    python examples/digits.py

With a schedule, which needs no change here:

    lrdsl train examples/snapshot.lrs examples/digits.py
"""

import os
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = 60

keras.utils.set_random_seed(7)

digits = load_digits()
images = digits.images[..., np.newaxis].astype("float32") / 16
train_images, test_images, train_labels, test_labels = train_test_split(
    images, digits.target, test_size=1 / 3, stratify=digits.target, random_state=7
)

model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=0.01, momentum=0.9),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
print(f"Training on {len(train_images)} digits for {EPOCHS} epochs …", flush=True)
model.fit(train_images, train_labels, batch_size=32, epochs=EPOCHS, verbose=0)


def report(name: str, probabilities: np.ndarray) -> None:
    """Print the share of the held-out digits that are read correctly."""
    right = np.mean(probabilities.argmax(axis=1) == test_labels)
    print(f"  {name:<25} {right:.2%}")


print(f"Accuracy on {len(test_images)} digits that were held out:")
report(f"model after {EPOCHS} epochs", model.predict(test_images, verbose=0))

# Under `lrdsl train` this names the folder of the run, where the snapshots are.
run = os.environ.get("LRDSL_RUN")
if run is not None and (snapshots := Path(run) / "snapshots").exists():
    import lrdsl

    ensemble = lrdsl.Ensemble.load(snapshots)
    for number, file in enumerate(ensemble.members, start=1):
        member = keras.saving.load_model(file)
        report(f"snapshot {number}", member.predict(test_images, verbose=0))
    report("average of the snapshots", ensemble.predict(test_images, verbose=0))
