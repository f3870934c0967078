"""A callback that plans as the real one does, and believes that all rates were applied."""

import numpy as np


def ScheduleCallback(program, *, snapshots, on_plan, base, take_over, **state):
    import keras

    class Ours(keras.callbacks.Callback):
        plan = None
        saved = ()
        taken_over = ()
        nothing_runs = None
        resumed = None
        earlier = ()
        missed = ()
        never_due = ()
        applied_rates = None
        applied_steps = np.empty(0, np.int64)

        def on_train_begin(self):
            rate = 0.01 if base is None else base
            self.plan = program.plan(
                epochs=self.params["epochs"],
                steps_per_epoch=self.params["steps"],
                base=rate if program.needs_base else None,
            )
            on_plan(self.plan)
            self.applied_steps = np.arange(self.plan.total_steps)
            rates = self.plan.values().astype(np.float32)
            self.applied_rates = {"lr": rates * self.model.sabotage}

    return Ours()
