"""All real studies but those of flows."""

from . import differences, equations, interpolation, odes, quadrature, sampling, sequences

SOURCES = (quadrature, differences, interpolation, sequences, equations, odes, sampling)


def real(sources=SOURCES):
    for source in sources:
        yield from source.studies()
