"""fit: what it is given, checked, and made into a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..checks.arguments import count as checked_count
from ..checks.arguments import size as checked_size
from ..data.transforms import Transform
from ..errors import ArgumentError, shown
from ..extras import needed
from ..nn import Module
from ..optim import Optimizer
from . import checkpoint as files
from .callbacks import Callbacks
from .history import History
from .kept import Kept
from .logs import FileLog, TensorBoard, Writer
from .metrics import named
from .progress import bar_class
from .run import Run
from .stepping import Steps
from .watched import Watched

PathLike = str | os.PathLike


def fit(
    model: Module,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    epochs: int = 1,
    *,
    validation: Iterable[Any] | None = None,
    metrics: Any = (),
    forward: Callable[[Any, Any], Any] | None = None,
    augment: Callable[[Any], Any] | None = None,
    scheduler: Any = None,
    scheduler_every: str = "epoch",
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    monitor: str | None = None,
    mode: str | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    callbacks: Any = (),
    checkpoint: PathLike | None = None,
    resume: bool = True,
    log: PathLike | None = None,
    tensorboard: PathLike | None = None,
    progress: bool | None = None,
    read_every: int = 100,
    state: Sequence[Any] = (),
    compile: bool = True,
) -> History:
    """Train a model on the batches of a loader, and return what was measured: a `History`.

    A step is what one would write by hand: zero_grad(), loss(model(*inputs), target), backward(),
    optimizer.step(), compiled. A batch is (inputs..., target), or one tensor that is its own
    target; NumPy arrays in it are made tensors. `forward(model, batch)` returns (output, target)
    of others. `loss` returns a tensor of shape (), or a dict of them of which "loss" is made small
    and all are reported.

    - `metrics`: names ("accuracy", "mae", "mse") and functions of (output, target) with a mean
      worth telling; a dict names them. Means are over samples: of shape (), weighted by the batch.
    - `validation`: batches that are measured after each epoch in eval mode, as "val_loss", ...
    - `augment`: a function of the first input, in training alone, inside the compiled step
    - `scheduler`: has step(); called after each epoch, or scheduler_every="step". One whose step
      takes `metrics`, as ReduceLROnPlateau's does, gets what `monitor` names.
    - `clip_norm`, `clip_value`: bounds on the norm of all gradients, and on each element
    - `accumulate`: so many batches make one step of the optimizer, by the mean of their losses
    - `monitor`: what tells the best epoch ("val_loss", or "loss" without validation); `mode` is
      "min" or "max" (None: "max" for what is called accuracy). With `patience` training stops once
      so many epochs have not been better by more than `min_delta`, and the model gets its best
      weights back. `history.best_state` has them in any case.
    - `checkpoint`: a file that `wg.save` writes after each epoch, and when Ctrl-C comes, whole or
      not at all, with all that goes on. Where it is there and `resume` is True, the run goes on
      from it, to the same bits: the same call again is all that is needed after a kill.
    - `log`: a .csv or .jsonl file; `tensorboard`: a folder for event files
    - `progress`: a bar; None: where stderr is a terminal and tqdm is installed
    - `read_every`: how many steps lie between two looks at the losses on the device
    - `state`: what else the compiled step uses: generators, tensors, modules, a loss's weights.
      It is kept in the checkpoint. compile=False runs each operation as it comes.

    Ctrl-C ends the run after the step at hand (or the few milliseconds of several short ones), with
    a checkpoint from which it goes on there (a second one ends it at once, without); a loss that is
    not finite ends it with a warning that says where, and gives the model its best weights. Both
    return the history, whose `stopped` says why.

    Raises: ArgumentError for arguments that do not fit, no batches, no parameters to train, a file
    that cannot be written, and a checkpoint of another model, with all that differs. ShapeError for
    a loss that is not of shape (). MissingDependencyError where what a checkpoint, a bar or event
    files need is not installed. What loaders, losses and callbacks raise comes as it is.

    >>> model = wg.nn.Linear(3, 1)
    >>> x = wg.randn(64, 3)
    >>> rows = wg.data.TensorDataset(x, x.sum(1, keepdims=True))
    >>> loader = wg.data.DataLoader(rows, batch_size=16, shuffle=True)
    >>> optimizer = wg.optim.Adam(model.parameters(), lr=0.01)
    >>> history = wg.fit(model, loader, wg.mse_loss, optimizer, epochs=2)
    >>> len(history["loss"]), history["loss"][1] < history["loss"][0]
    (2, True)
    """
    run = Run(model, optimizer, checked_count(epochs, "fit", "epochs"))
    _check(model, loader, optimizer)
    for name, value in (("clip_norm", clip_norm), ("clip_value", clip_value)):
        if value is not None and not value > 0:
            raise ArgumentError(f"fit: {name}={value} came, and a number above 0 is needed")
    if scheduler is not None and not callable(getattr(scheduler, "step", None)):
        raise ArgumentError(
            f"fit: scheduler={shown(scheduler)} came; an object with step() is needed"
        )
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise ArgumentError(
            f"fit: the scheduler, a {type(scheduler).__name__}, changes the rates of another "
            "optimizer, and one of the optimizer that came is needed"
        )
    if scheduler_every not in ("step", "epoch"):
        raise ArgumentError(
            f'fit: scheduler_every={shown(scheduler_every)} came; "step" or "epoch" is needed'
        )
    metrics = named(metrics)
    run.watched = Watched(monitor, mode, patience, min_delta, validation is not None)
    run.accumulate = checked_size(accumulate, "fit: accumulate")
    run.read_every = checked_size(read_every, "fit: read_every")
    if checkpoint is not None:
        needed("safetensors", "io", "fit: checkpoint")  # before hours of work, not after
    writers: list[Writer] = [FileLog(log)] if log is not None else []
    if tensorboard is not None:
        writers.append(TensorBoard(tensorboard))
    run.callbacks, run.writers = Callbacks(callbacks), Callbacks(writers)
    run.bars = bar_class(progress)
    holders = [*state, *(x for x in (loss, *metrics.values()) if isinstance(x, Module))]
    if isinstance(augment, Transform):
        holders += augment.generators
    elif isinstance(augment, Module):
        holders.append(augment)
    run.steps = Steps(
        model, loss, optimizer, forward, metrics, augment, clip_norm, clip_value, run.accumulate,
        holders, compile,
    )  # fmt: skip
    run.loader, run.validation, run.scheduler = loader, validation, scheduler
    run.scheduler_every = scheduler_every
    run.kept = Kept(checkpoint, run, holders)
    if checkpoint is not None:  # folders are made once all else is right
        files.check_writable(checkpoint, "checkpoint")
    for writer in writers:
        writer.prepare()
    if resume:
        run.kept.resume()
    return run.go()


def _check(model: Any, loader: Any, optimizer: Any) -> None:
    """Raise ArgumentError for what cannot be trained, or trained on."""
    if not isinstance(model, Module):
        raise ArgumentError(f"fit: model={shown(model)} came, and an nn.Module is needed")
    if not isinstance(optimizer, Optimizer):
        raise ArgumentError(f"fit: optimizer={shown(optimizer)} came; one of wg.optim is needed")
    parameters = model.parameters()
    own = {id(p) for p in parameters if p.requires_grad}
    if not own:
        why = "all are frozen" if parameters else "it has none"
        raise ArgumentError(f"fit: {type(model).__name__} has no parameters to train: {why}")
    if not any(id(p) in own for p in optimizer.params):
        raise ArgumentError(
            f"fit: the optimizer holds none of the parameters of {type(model).__name__} that can "
            "be trained: make it of model.parameters()"
        )
    if isinstance(loader, (str, bytes)) or not hasattr(loader, "__iter__"):
        raise ArgumentError(f"fit: loader={shown(loader)} came; a DataLoader or batches are needed")
    if hasattr(loader, "__next__"):
        raise ArgumentError(
            "fit: an iterator came as the loader, which is used up after one epoch: give a "
            "DataLoader, or a list of batches"
        )
