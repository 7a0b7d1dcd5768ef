"""Predicted over measured constants: heavy ball and Nesterov, orders 1 to 3.

Beside each, what the predicted leading error leaves unexplained at the finest step.
"""

import sys

import modflow as mf


def main(problems):
    for problem in problems:
        for method in (mf.HeavyBall, mf.Nesterov):
            for beta in (0.5, 0.9):
                for order in (1, 2, 3):
                    study = mf.convergence_study(method(beta), problem, order)
                    left = study.comparison.misfits[-1]
                    print(
                        f"{problem:<12} {method.name:<10} β = {beta}, order {order}: predicted "
                        f"{study.predicted_constant:10.4g}, over measured "
                        f"{study.predicted_constant / study.constant:.4f}; left over at the finest "
                        f"step {left:.4f}; {study.verdict}",
                        flush=True,
                    )


if __name__ == "__main__":
    main(sys.argv[1:] or ["two-layer", "digits-tanh"])
