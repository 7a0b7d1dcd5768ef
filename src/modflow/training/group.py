"""Several runs of one experiment, side by side in one program or alone; resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, PyTree
from scipy.sparse.linalg import LinearOperator

from ..curvature import lanczos
from ..errors import ModflowError
from ..interrupt import held
from .checkpoints import Checkpoints
from .devices import Place
from .experiment import Experiment, Run
from .following import coefficients
from .history import FLOW_COLUMNS, History, Row
from .hosts import OtherFailed
from .prepared import Prepared
from .program import Data, Measures, State, program
from .rates import factor

CHUNK_SECONDS = 1.0
"""How long the host waits for the device, and Ctrl-C for the host."""
CHECKPOINT_SECONDS = 30.0
_AXIS = "devices"
_SHARPNESS = 1e-3
"""How exact the eigenvalues are, relatively."""


class Group:
    """The training of some runs from one and the same data set.

    With `vectorized`, one program advances all of them, on all devices of the place; otherwise
    there is one run. With `from_host` its steps are called from the host one by one, with XLA's
    own convolutions. `folder` is for checkpoints: what is found there is gone on from.
    """

    def __init__(
        self,
        experiment: Experiment,
        runs: Sequence[Run],
        prepared: Prepared,
        place: Place,
        *,
        vectorized: bool,
        from_host: bool = False,
        folder: Path | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        if not runs or (len(runs) > 1 and not vectorized):
            raise ValueError("a group is one run, or vectorized")
        self.experiment, self.runs, self.place = experiment, tuple(runs), place
        # Runs are shared out evenly: where they do not come out, the last is run several times.
        missing = -len(runs) % len(place.devices) if vectorized else 0
        self._rows = self.runs + self.runs[-1:] * missing
        self._prepared, self._vectorized, self._folder = prepared, vectorized, folder
        self._checkpoint_seconds = checkpoint_seconds
        self._fingerprint = experiment.fingerprint(prepared.digest)
        self._kept = False
        self._network = prepared.network(place.convolutions)
        self._full = prepared.batch == prepared.samples
        self._program = program(
            self._network,
            full_batch=self._full,
            decay=experiment.decay,
            steps=experiment.steps,
            vectorized=vectorized,
            from_host=prepared.network("native") if from_host else None,
            flow=experiment.flow,
        )
        self._falling = factor(experiment.decay, experiment.steps)

    def train(self, progress: Callable[[float], None] | None = None) -> list[History]:
        """Run to the end, and return what was recorded.

        `progress` is called with the share of the steps that is done. Raises ModflowError where
        memory does not suffice, with how many runs at once would fit, and where a checkpoint
        cannot be written or read. KeyboardInterrupt leaves a checkpoint behind.
        """
        with self._network.arithmetic(), self._on_device():
            try:
                return self._train(progress)
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error) and "Out of memory" not in str(error):
                    raise
                raise ModflowError(self._too_large()) from error

    def step_seconds(self, steps: int) -> tuple[float, float]:
        """How long a step takes, the fastest of so many; and the first, with its compilation."""
        with self._network.arithmetic(), self._on_device():
            (h, beta), data = self._rates(), self._data()
            state, batches = self._begin(h, beta), self._batches(0, 1, self._capacity)
            taken = []
            for _ in range(steps + 1):
                began = time.perf_counter()
                state, losses = self._program.advance(state, h, beta, data, jnp.asarray(1), batches)
                jax.block_until_ready((state, losses))
                taken.append(time.perf_counter() - began)
            return min(taken[1:]), taken[0]

    def _on_device(self) -> Any:
        return jax.default_device(self.place.devices[0])

    def _train(self, progress: Callable[[float], None] | None) -> list[History]:
        steps, every = self.experiment.steps, self.experiment.record_every
        (h, beta), data = self._rates(), self._data()
        state = self._begin(h, beta)
        histories = [History(run) for run in self.runs]
        k, losses = 0, self._no_losses()
        checkpoints = None if self._folder is None else Checkpoints(self._folder)
        found = checkpoints and checkpoints.load(state)
        if found:
            k, state, notes = found
            histories, losses = self._resumed(k, notes)
            self._kept = True
        capacity = self._capacity
        saved, chunk = time.monotonic(), 1

        def save() -> None:
            if checkpoints is not None:
                notes = {
                    "experiment": self._fingerprint,
                    "histories": [each.to_dict() for each in histories],
                    "losses": losses,
                }
                checkpoints.save(k, state, notes)
                self._kept = True

        try:
            while True:
                if (k % every == 0 or k == steps) and not self._recorded(histories, k):
                    rows = self._measured(k, state, data, histories, losses)
                    with held():
                        self._keep(k, rows, histories)
                        losses = self._no_losses()
                if progress is not None:
                    progress(k / steps)
                if k == steps or all(each.diverged is not None for each in histories):
                    break
                if time.monotonic() - saved > self._checkpoint_seconds:
                    save()
                    saved = time.monotonic()
                count = min(chunk, every - k % every, steps - k)
                batches = self._batches(k, count, capacity)
                began = time.monotonic()
                # The state of before is no more when that of afterwards is there, and belongs to
                # its k: what is saved after Ctrl-C is all of one or all of the other.
                with held():
                    state, new = self._program.advance(
                        state, h, beta, data, jnp.asarray(count), batches
                    )
                    self._note(
                        k,
                        np.asarray(new).reshape(len(self._rows), -1)[: len(self.runs), :count],
                        histories,
                        losses,
                    )
                    k += count
                # Chunks follow the clock, and never the results: the arithmetic is the same.
                elapsed = time.monotonic() - began
                if elapsed < CHUNK_SECONDS / 2:
                    chunk = min(2 * chunk, capacity)
                elif elapsed > 2 * CHUNK_SECONDS:
                    chunk = max(1, chunk // 2)
        except (KeyboardInterrupt, OtherFailed):
            save()
            raise
        finally:
            if checkpoints is not None:
                checkpoints.close()
        return histories

    def _resumed(self, k: int, notes: Any) -> tuple[list[History], list[list[float]]]:
        """What a checkpoint says of the k steps before it.

        Raises ModflowError unless it is whole, and of this training.
        """
        try:
            found, losses, of = notes["histories"], notes["losses"], notes.get("experiment")
            histories = [History.from_dict(each) for each in found]
            last = max((row["step"] for each in histories for row in each.rows), default=0)
            numbers = all(type(loss) in (int, float) for each in losses for loss in each)
            whole = numbers and len(losses) == len(histories) and last <= k <= self.experiment.steps
        except (ModflowError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise ModflowError(
                f"the checkpoint in {self._folder} is damaged; remove that folder to begin again"
            )
        if (
            of not in (None, self._fingerprint)
            or tuple(each.run for each in histories) != self.runs
        ):
            raise ModflowError(
                f"the checkpoint in {self._folder} is of another training; remove that folder to "
                "begin again"
            )
        return histories, losses

    # -- what goes in ---------------------------------------------------------------------------

    @property
    def _capacity(self) -> int:
        """The most steps that one call makes."""
        return min(self.experiment.record_every, self.experiment.steps)

    def _rates(self) -> tuple[Array, Array]:
        """h and β of all rows."""
        h, beta = ([getattr(run, name) for run in self._rows] for name in ("h", "beta"))
        return self._stacked(h), self._stacked(beta)

    def _stacked(self, values: Sequence[float]) -> Array:
        each = [np.asarray(value, self._prepared.dtype) for value in values]
        return self._put(np.stack(each) if self._vectorized else each[0])

    def _stack(self, trees: Sequence[PyTree[Any]], *, batch: bool = False) -> PyTree[Array]:
        """What each run has of its own, along a new first axis where there are several."""
        if self._vectorized:
            tree = jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
        else:
            tree = trees[0]
        return jax.tree.map(lambda leaf: self._put(leaf, batch=batch), tree)

    def _put(self, array: Any, *, batch: bool = False, shared: bool = False) -> Array:
        """On the devices: an array of runs is split over these along its first axis. What a
        single run has, they all have, but for images of a batch, the last axis."""
        devices = self.place.devices
        if len(devices) == 1:
            return jnp.asarray(array)
        axes: list[str | None] = [None] * np.ndim(array)
        if self._vectorized and not shared:
            axes[0] = _AXIS
        elif batch and np.shape(array)[-1] % len(devices) == 0:
            axes[-1] = _AXIS
        mesh = Mesh(np.array(devices), (_AXIS,))
        return jax.device_put(array, NamedSharding(mesh, PartitionSpec(*axes)))

    def _begin(self, h: Array, beta: Array) -> State:
        starts = [self._network.initial(run.seed) for run in self._rows]
        return self._program.begin(*self._stack(starts), h, beta)

    def _data(self) -> Data:
        own = [self._prepared.of_seed(run.seed) for run in self._rows]
        mean, scale = self._stack([each[:2] for each in own])
        train, test = self._stack([each[2:] for each in own], batch=True)
        table = self._coefficients() if self.experiment.flow else None
        images, labels = (self._put(array, shared=True) for array in self._prepared.pool)
        return Data(images, labels, mean, scale, train, test, table)

    def _coefficients(self) -> Array:
        """Of the modified flow, for each run."""
        of, momenta = self.experiment, [run.beta for run in self._rows]
        kept = [
            table.astype(self._prepared.dtype) for table in coefficients(of.flow, momenta, of.steps)
        ]
        return self._stack(kept)

    def _batches(self, k: int, count: int, capacity: int) -> Int[Array, "..."]:
        """The indices of the images that steps k, ..., k + count - 1 see."""
        size = 0 if self._full else self._prepared.batch
        found = np.zeros((len(self._rows), capacity, size), np.int32)
        if not self._full:
            for own, run in zip(found, self._rows, strict=True):
                own[:count] = self._prepared.batches(run.seed, k, k + count)
        return self._stack(list(found), batch=True)

    # -- what comes out -------------------------------------------------------------------------

    def _no_losses(self) -> list[list[float]]:
        return [[] for _ in self.runs]

    def _recorded(self, histories: Sequence[History], k: int) -> bool:
        return any(each.rows and each.rows[-1]["step"] == k for each in histories)

    def _note(
        self, k: int, new: Any, histories: Sequence[History], losses: list[list[float]]
    ) -> None:
        """Keep the losses of a chunk, and mark the runs in which one is not finite."""
        for history, kept, found in zip(histories, losses, new, strict=True):
            kept.extend(float(loss) for loss in found)
            bad = np.flatnonzero(~np.isfinite(found))
            if history.diverged is None and len(bad):
                history.diverged = k + int(bad[0])

    def _measured(
        self,
        k: int,
        state: State,
        data: Data,
        histories: Sequence[History],
        losses: Sequence[Sequence[float]],
    ) -> list[Row | None]:
        """The row of each run at step k; None where it has diverged."""
        measured = jax.device_get(self._program.measure(state, data))
        every, rows = self.experiment.sharpness_every, list[Row | None]()
        for i, history in enumerate(histories):
            found = jax.tree.map(lambda leaf, i=i: np.asarray(leaf).reshape(-1)[i], measured)
            if history.diverged is not None or not math.isfinite(found.loss):
                rows.append(None)
                continue
            row = self._row(k, history.run, found)
            # A flow may leave for infinity beside iterates that do not.
            if found.flow_distance is not None and math.isfinite(found.flow_distance):
                row |= {name: float(getattr(found, name)) for name in FLOW_COLUMNS}
            if losses[i]:
                row["batch_loss"] = float(np.mean(losses[i]))
            if every and k % every == 0:
                row |= self._sharpness(state, data, i)
            rows.append(row)
        return rows

    def _keep(self, k: int, rows: Sequence[Row | None], histories: Sequence[History]) -> None:
        for history, row in zip(histories, rows, strict=True):
            if row is not None:
                history.rows.append(row)
            elif history.diverged is None:
                history.diverged = k

    def _row(self, k: int, run: Run, found: Measures) -> Row:
        falling = float(self._falling(min(k, self.experiment.steps - 1)))
        squared = float(found.gradient_squared)
        drift = (1 - run.beta ** (k + 1)) / (1 - run.beta) * math.sqrt(squared)
        return {
            "step": k,
            "epoch": k * self._prepared.batch / self._prepared.samples,
            "rate": falling * run.h,
            "train_loss": float(found.loss),
            "train_accuracy": float(found.accuracy),
            "test_loss": float(found.test_loss),
            "test_accuracy": float(found.test_accuracy),
            "gradient_squared": squared,
            "drift": drift,
            "velocity": float(found.velocity),
            "regularizer": falling * run.regularizer * squared,
            "threshold": run.threshold / falling if falling else math.inf,
        }

    def _sharpness(self, state: State, data: Data, i: int) -> Row:
        """The largest eigenvalues of the Hessian of run i; NaN where they are not found."""
        parameters, statistics = self._of_run((state.parameters, state.statistics), i)
        flat, unflatten = ravel_pytree(parameters)
        own = Data(data.images, data.labels, *self._of_run(tuple(data[2:]), i))
        product = self._one().product

        def matvec(v: Any) -> Any:
            direction = unflatten(jnp.asarray(np.ravel(v), flat.dtype))
            # Fetched first: operations one by one on arrays of several devices, while a program of
            # all of them is under way, wait for each other for ever where processors are few.
            found = jax.device_get(product(parameters, statistics, own, direction))
            return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)], dtype=float)

        operator = LinearOperator(
            (flat.size, flat.size), matvec=matvec, rmatvec=matvec, dtype=float
        )
        count = min(self.experiment.eigenvalues, flat.size)
        try:
            values = lanczos(operator, count, _SHARPNESS).values
        except ModflowError:  # the other runs go on, and this one, too
            values = np.full(count, math.nan)
        names = ["sharpness", *(f"sharpness_{j}" for j in range(2, count + 1))]
        return dict(zip(names, map(float, values), strict=True))

    def _of_run(self, tree: PyTree[Array], i: int) -> PyTree[Array]:
        return jax.tree.map(lambda leaf: leaf[i], tree) if self._vectorized else tree

    def _one(self) -> Any:
        return program(
            self._network,
            full_batch=self._full,
            decay=self.experiment.decay,
            steps=self.experiment.steps,
            vectorized=False,
        )

    def _too_large(self) -> str:
        count = len(self.runs)
        if count == 1:
            return (
                "out of memory in the training of one run: take a smaller --batch, --width or "
                "--size, or --precision bfloat16"
            )
        where = ", and another --out" if self._kept else ""
        return (
            f"out of memory with {count} runs in one program; {count // 2} may fit: "
            f"--at-once {count // 2}{where}"
        )
