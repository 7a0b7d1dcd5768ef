"""Checkpoints of trainings, by orbax: written beside the last one, and then renamed."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, PyTree

from ..errors import ModflowError, first_line


class Checkpoints:
    """The last checkpoint of one training, in a folder of its own.

    A process may be killed at any moment: what is found afterwards is the last checkpoint that
    was finished.
    """

    def __init__(self, folder: Path) -> None:
        # Its log says of each checkpoint what the progress says already, and of a damaged one what
        # is said here in a line.
        logging.getLogger("absl").setLevel(logging.CRITICAL)
        import orbax.checkpoint as ocp

        self._folder, self._ocp = folder.resolve(), ocp
        here = jax.process_index()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=1,
            enable_async_checkpointing=False,
            # Where there are several hosts, each keeps what it trains.
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                primary_host=here,
                active_processes={here} if jax.process_count() > 1 else None,
                barrier_sync_key_prefix=f"{folder.name}-{here}",
            ),
            create=jax.process_count() == 1,
        )
        if jax.process_count() > 1:
            self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._manager = ocp.CheckpointManager(self._folder, options=options)
        except OSError as error:
            raise ModflowError(f"cannot write to {folder}: {error.strerror or error}") from error
        except Exception as error:  # whatever is wrong with the metadata of one that is there
            raise self._unreadable() from error

    def save(self, step: int, state: PyTree[Array], notes: dict[str, Any]) -> None:
        """Keep arrays, and notes that JSON can hold; the one before goes afterwards.

        Raises ModflowError where it cannot be written; the one before is kept.
        """
        if step == self._manager.latest_step():
            return  # the same arrays, from before this process
        args = self._ocp.args
        # On the host: orbax would share out arrays of one host's devices among all hosts.
        leaves = jax.device_get(jax.tree.leaves(state))
        arrays = {f"{i:05d}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        both = args.Composite(state=args.StandardSave(arrays), notes=args.JsonSave(notes))
        try:
            self._manager.save(step, args=both, force=True)
        except (OSError, ValueError, RuntimeError) as error:
            self._clear()
            raise ModflowError(
                f"cannot write a checkpoint to {self._folder}: {first_line(error)}; the last one "
                "is kept, and the same command goes on from it"
            ) from error

    def _clear(self) -> None:
        """Take away what was begun, and fills the disk."""
        _tell_once()
        for path in self._folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(path, ignore_errors=True)

    def load(self, like: PyTree[Array]) -> tuple[int, PyTree[Array], dict[str, Any]] | None:
        """The step, the arrays in the form of `like`, and the notes; None where there is none.

        Raises ModflowError where it holds something else, or cannot be read.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        leaves, form = jax.tree.flatten(like)
        arrays = {f"{i:05d}": np.empty(leaf.shape, leaf.dtype) for i, leaf in enumerate(leaves)}
        args = self._ocp.args
        both = args.Composite(state=args.StandardRestore(arrays), notes=args.JsonRestore())
        _WithoutLateReads.from_now_on()
        try:
            found = self._manager.restore(step, args=both)
            for name in arrays.keys() | found.state.keys():
                if np.shape(found.state[name]) != arrays[name].shape:
                    raise ValueError(f"{name} has another shape")
        except Exception as error:  # whatever the formats below it raise for a damaged file
            _tell_once()
            raise self._unreadable() from error
        kept = [
            jax.device_put(found.state[name], leaf.sharding)
            for name, leaf in zip(sorted(found.state), leaves, strict=True)
        ]
        return step, jax.tree.unflatten(form, kept), found.notes

    def _unreadable(self) -> ModflowError:
        return ModflowError(
            f"the checkpoint in {self._folder} cannot be read, or is of another training; "
            "remove that folder to begin again"
        )

    def close(self) -> None:
        """Let go of the folder."""
        self._manager.close()

    def remove(self) -> None:
        """Take the folder away: the training has ended."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _WithoutLateReads:
    """Where one read fails, orbax closes the loop that it reads in; each of the others, in threads
    of tensorstore's, then ends with a traceback on stderr, perhaps after the error was told.

    Nothing but these is left unsaid.
    """

    def __init__(self, told: Callable[[Any], Any]) -> None:
        self._told = told

    def __call__(self, unraisable: Any) -> None:
        error = unraisable.exc_value
        if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
            self._told(unraisable)

    @classmethod
    def from_now_on(cls) -> None:
        """In this process."""
        if not isinstance(sys.unraisablehook, cls):
            sys.unraisablehook = cls(sys.unraisablehook)


def _tell_once() -> None:
    """What has failed is said by an error; its other parts are not, when they are thrown away."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
