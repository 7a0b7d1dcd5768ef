"""The field of a modified flow on a network: its time and its memory, in multiples of a gradient.

One evaluation of the heavy ball's modified flow of order 1, 2 and 3 on the cross-entropy of a
batch, for smooth networks: an MLP (tanh) on 1000 images of 8 by 8 in float64 and float32, a
ResNet-10 (gelu) on 64 of 14 by 14 in float64, and a ResNet-18 (gelu) on 32 of 28 by 28 in
float32, all with batch normalization. Gradient and field are one compiled program each. The memory
is what XLA says it needs beside arguments and results (`temp_size_in_bytes`).

The orders 2 and 3 hold second and third derivatives, of which only products with vectors are
taken: for p parameters no array of p² numbers is ever made. The claims: memory at most 2^order
times that of a gradient, and below a tenth of what a Hessian takes, p² numbers. No bound is claimed
for the time: a derivative along a direction costs 2 to 2.5 times what it is of (Griewank & Walther,
*Evaluating Derivatives*, 2008, section 3.2), and how much of that meets is up to the processor.

Most of the time goes to compilation, which is given apart. Rounds can be given, and words that
choose among all networks in both precisions:
`python benchmarks/network_flow_cost.py 5 resnet-10 float32`.
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from _timing import best_of

import modflow as mf
from modflow.flows import Flow
from modflow.networks.network import Network
from modflow.training.program import batch_loss

CASES = (
    ("mlp", "tanh", 64, 8, 1000),
    ("resnet-10", "gelu", 8, 14, 64),
    ("resnet-18", "gelu", 16, 28, 32),
)
PRECISIONS = ("float64", "float32")
USUAL = (
    ("mlp", "float64"),
    ("mlp", "float32"),
    ("resnet-10", "float64"),
    ("resnet-18", "float32"),
)
MEMORY = {1: 2, 2: 4, 3: 8}
H, BETA, STEP = 1e-3, 0.9, 300


def compiled(function, x):
    began = time.perf_counter()
    program = jax.jit(function).lower(x).compile()
    return program, time.perf_counter() - began


def mebibytes(size):
    return f"{size / 2**20:,.1f} MiB"


def measure(network, images, labels, equation, rounds):
    parameters, statistics = network.initial(0)
    images = jnp.asarray(images, network.precision)

    def loss(x):
        return batch_loss(network, x, statistics, images, labels)[0]

    programs, seconds = {}, {}
    programs["gradient"], seconds["gradient"] = compiled(jax.grad(loss), parameters)
    derivatives = {}
    for order in MEMORY:
        flow = Flow(equation.truncated(order), loss, parameters={"beta": BETA}, steps=512)
        derivatives[order] = flow.plan.derivatives
        programs[order], seconds[order] = compiled(
            lambda x, flow=flow: flow(STEP, x, H), parameters
        )
    calls = [lambda f=f: jax.block_until_ready(f(parameters)) for f in programs.values()]
    for call in calls:
        call()
    took = dict(zip(programs, best_of(rounds, *calls), strict=True))
    memory = {name: f.memory_analysis().temp_size_in_bytes for name, f in programs.items()}
    count = network.parameters
    hessian = count**2 * np.dtype(network.precision).itemsize
    print(
        f"{network.architecture}, {network.activation}, width {network.breadth}, {len(images)} "
        f"images of {network.shape[0]} by {network.shape[1]}, {network.precision}: {count:,} "
        f"parameters\n  a gradient {1e3 * took['gradient']:.2f} ms, "
        f"{mebibytes(memory['gradient'])} (compiled in {seconds['gradient']:.1f} s); a Hessian "
        f"would hold {mebibytes(hessian)}"
    )
    kept = True
    for order in MEMORY:
        times, more = took[order] / took["gradient"], memory[order] / memory["gradient"]
        holds = more <= MEMORY[order] and memory[order] < hessian / 10
        kept &= holds
        print(
            f"  order {order}: {derivatives[order]} nested derivatives, {times:.2f} gradients; "
            f"{mebibytes(memory[order])}, {more:.2f} times a gradient's "
            f"(claim {MEMORY[order]}), 1/{hessian / memory[order]:,.0f} of a Hessian "
            f"(compiled in {seconds[order]:.1f} s){'' if holds else '  NOT KEPT'}",
            flush=True,
        )
    return kept


def main(rounds=5, *words):
    equation = mf.modified_equation(mf.HeavyBall(), max(MEMORY))
    draws = np.random.default_rng(0)
    kept = []
    for precision in PRECISIONS:
        for architecture, activation, width, side, count in CASES:
            case = architecture, precision
            if not (all(word in case for word in words) if words else case in USUAL):
                continue
            network = Network(
                architecture,
                (side, side, 1),
                width=width,
                activation=activation,
                precision=precision,
            )
            images = draws.normal(size=(count, side, side, 1))
            labels = draws.integers(10, size=count)
            with network.arithmetic():
                kept.append(measure(network, images, labels, equation, rounds))
    print(f"the claims hold in {sum(kept)} of {len(kept)} cases")


if __name__ == "__main__":
    main(*(int(word) if word.isdigit() else word for word in sys.argv[1:]))
