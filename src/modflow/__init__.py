"""modflow: backward error analysis of optimizers, derived exactly and checked numerically.

Everything public is here. Importing modflow imports neither JAX nor SymPy; each name is
loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._lazy import loader
from .errors import ModflowError, NotABSeries, NotAGradient, UnknownNameError

if TYPE_CHECKING:
    __version__: str

    from .batches import BatchField as BatchField
    from .batches import BatchFlow as BatchFlow
    from .batches import BatchSchedule as BatchSchedule
    from .batches import ExpectedRegularizer as ExpectedRegularizer
    from .batches import batch_equations as batch_equations
    from .batches import compare_batches as compare_batches
    from .batches import expected_regularizer as expected_regularizer
    from .batches import force_covariance as force_covariance
    from .boundary import measured_stability_bound as measured_stability_bound
    from .companion import characteristic_polynomial as characteristic_polynomial
    from .companion import companion_matrix as companion_matrix
    from .contractions import Contraction as Contraction
    from .convergence import OrderEstimate as OrderEstimate
    from .convergence import estimate_order as estimate_order
    from .curvature import Sharpness as Sharpness
    from .curvature import SharpnessPath as SharpnessPath
    from .curvature import hessian_operator as hessian_operator
    from .curvature import sharpness as sharpness
    from .curvature import sharpness_path as sharpness_path
    from .documents import Document as Document
    from .documents import StepError as StepError
    from .documents import document_of as document_of
    from .flows import Flow as Flow
    from .gaussian import JetPolynomial as JetPolynomial
    from .gaussian import gaussian_expectation as gaussian_expectation
    from .methods import Adjoint as Adjoint
    from .methods import AggregatedMomentum as AggregatedMomentum
    from .methods import Composition as Composition
    from .methods import DampedHeavyBall as DampedHeavyBall
    from .methods import GradientDescent as GradientDescent
    from .methods import HeavyBall as HeavyBall
    from .methods import LinearTwoStep as LinearTwoStep
    from .methods import Method as Method
    from .methods import Nesterov as Nesterov
    from .methods import QuasiHyperbolicMomentum as QuasiHyperbolicMomentum
    from .methods import RungeKutta as RungeKutta
    from .methods import momentum as momentum
    from .methods import parameter as parameter
    from .methods import tableau as tableau
    from .modified import ModifiedEquation as ModifiedEquation
    from .modified import modified_equation as modified_equation
    from .potentials import ModifiedLoss as ModifiedLoss
    from .problems import Problem as Problem
    from .series import Tree as Tree
    from .stability import is_stable as is_stable
    from .stability import spectral_radius as spectral_radius
    from .stability import stability_bound as stability_bound
    from .structure import Structure as Structure
    from .structure import witness_loss as witness_loss
    from .study import ConvergenceStudy as ConvergenceStudy
    from .study import convergence_study as convergence_study
    from .testing import assert_order as assert_order

_HOMES = {
    "batches": [
        "BatchField",
        "BatchFlow",
        "BatchSchedule",
        "ExpectedRegularizer",
        "batch_equations",
        "compare_batches",
        "expected_regularizer",
        "force_covariance",
    ],
    "boundary": ["measured_stability_bound"],
    "companion": ["characteristic_polynomial", "companion_matrix"],
    "contractions": ["Contraction"],
    "convergence": ["OrderEstimate", "estimate_order"],
    "curvature": [
        "Sharpness",
        "SharpnessPath",
        "hessian_operator",
        "sharpness",
        "sharpness_path",
    ],
    "documents": ["Document", "StepError", "document_of"],
    "flows": ["Flow"],
    "gaussian": ["JetPolynomial", "gaussian_expectation"],
    "methods": [
        "Adjoint",
        "AggregatedMomentum",
        "Composition",
        "DampedHeavyBall",
        "GradientDescent",
        "HeavyBall",
        "LinearTwoStep",
        "Method",
        "Nesterov",
        "QuasiHyperbolicMomentum",
        "RungeKutta",
        "momentum",
        "parameter",
        "tableau",
    ],
    "modified": ["ModifiedEquation", "modified_equation"],
    "potentials": ["ModifiedLoss"],
    "problems": ["Problem"],
    "series": ["Tree"],
    "stability": ["is_stable", "spectral_radius", "stability_bound"],
    "structure": ["Structure", "witness_loss"],
    "study": ["ConvergenceStudy", "convergence_study"],
    "testing": ["assert_order"],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ModflowError",
    "NotABSeries",
    "NotAGradient",
    "UnknownNameError",
    *_HOME,
]


_load = loader(__name__, _HOME, globals())


def __getattr__(name: str) -> Any:
    # To look for the version takes longer than to import all that is imported here.
    if name == "__version__":
        globals()[name] = _version()
    return globals()[name] if name in globals() else _load(name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("modflow")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
