from . import tree


class Callback:
    params = None
    model = None

    def set_params(self, params):
        self.params = params

    def set_model(self, model):
        self.model = model

    def on_train_begin(self):
        pass


class History(Callback):
    pass


class ProgbarLogger(Callback):
    pass


class CallbackList(Callback):
    def __init__(
        self, callbacks=None, add_history=False, add_progbar=False, model=None, **params
    ):
        self.callbacks = tree.flatten(callbacks) if callbacks else []
        if add_history and not any(isinstance(one, History) for one in self.callbacks):
            self.callbacks.append(History())
        if add_progbar and not any(isinstance(one, ProgbarLogger) for one in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        for one in self.callbacks:
            one.set_model(model)
            one.set_params(params)

    def on_train_begin(self):
        for one in self.callbacks:
            one.on_train_begin()
