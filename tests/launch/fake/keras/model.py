from .callbacks import CallbackList


class Trainer:
    stop_training = False
    sabotage = 1

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        steps_per_epoch=4,
    ):
        """Train."""
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                model=self,
                epochs=epochs,
                steps=steps_per_epoch,
            )
        self.stop_training = False
        callbacks.on_train_begin()
        print("fit", *(type(one).__name__ for one in callbacks.callbacks))
        return callbacks

    def train_on_batch(self, x=None):
        return 0.0


class Model(Trainer):
    pass


class Sequential(Model):
    pass
