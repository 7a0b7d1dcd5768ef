"""How the step size falls in training, as a factor of the first one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optax

DECAYS: dict[str, str] = {
    "constant": "no decay",
    "linear": "down to 0 at the last step",
    "cosine": "half a cosine, down to 0 at the last step",
    "steps": "a tenth of it after half of the steps, a hundredth after three quarters",
}


def factor(decay: str, steps: int) -> Callable[[Any], Any]:
    """The factor of step k = 0, ..., steps - 1, for a name of DECAYS."""
    import optax

    schedules: dict[str, Callable[[], Callable[[Any], Any]]] = {
        "constant": lambda: optax.constant_schedule(1.0),
        "linear": lambda: optax.linear_schedule(1.0, 0.0, steps),
        "cosine": lambda: optax.cosine_decay_schedule(1.0, steps),
        "steps": lambda: optax.piecewise_constant_schedule(
            1.0, {steps // 2: 0.1, steps * 3 // 4: 0.1}
        ),
    }
    return schedules[decay]()


def optimizer(h: Any, beta: Any, decay: str, steps: int) -> optax.GradientTransformation:
    """The heavy ball: v ← βv + ∇E, x ← x - h v; gradient descent where β = 0.

    h and β may be traced, so that one program serves a grid. With a decaying step size it is
    h alone that falls, as in PyTorch's SGD.
    """
    import jax.numpy as jnp
    import optax

    if decay == "constant":
        return optax.sgd(h, momentum=beta)
    falling = factor(decay, steps)
    # Of whole numbers, optax would make float32.
    return optax.sgd(lambda k: h * falling(k.astype(jnp.result_type(h))), momentum=beta)
