"""All real studies but those of flows."""

import numpy as np

from . import differences, equations, interpolation, odes, quadrature, sampling, sequences

SOURCES = (quadrature, differences, interpolation, sequences, equations, odes, sampling)


def real(seed, sources=SOURCES):
    """The same list for every seed, which draws what problems leave open: frequencies, points,
    starting values, end times, and all that is random."""
    for i, source in enumerate(sources):
        yield from source.studies(np.random.default_rng([seed, i]))
