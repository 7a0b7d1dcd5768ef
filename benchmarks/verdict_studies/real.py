"""Real studies: numerical methods whose order is proven or follows from an exact formula.

None but `flows` uses modflow. Each module yields `Study` objects from `studies(rng)`; `rng` draws
what the problems leave open.
"""

import numpy as np

from .study import ABOVE_FLOOR, Study

EPS = float(np.finfo(float).eps)


def exact(kind, name, order, steps, errors, floor, *, stated=False, noise=0.0, clean=None, **more):
    """A study whose errors have no noise but rounding, or noise of a known deviation.

    `floor` bounds what rounding does to each error. Beside the power of h the family has one
    correction, of the size of h. Without noise the errors themselves are the clean ones.
    """
    steps, errors = np.asarray(steps, dtype=float), np.asarray(errors, dtype=float)
    floor = np.broadcast_to(np.asarray(floor, dtype=float), steps.shape)
    clean = errors if clean is None else np.asarray(clean, dtype=float)
    if kind == "smooth" and (clean <= ABOVE_FLOOR * floor).any():
        kind = "floor"
    return Study(
        kind,
        name,
        steps,
        errors,
        order,
        clean,
        np.broadcast_to(np.asarray(noise, dtype=float), steps.shape),
        floor,
        (steps / steps.max())[:, None],
        uncertainties=floor.copy() if stated else None,
        **more,
    )


def varied(rng, *sizes):
    """Each of them times a factor between 0.8 and 1.25."""
    return [size * 1.25 ** rng.uniform(-1, 1) for size in sizes]


def halved(first, points, ratio=2):
    """Numbers of steps."""
    return [first * ratio**k for k in range(points)]
