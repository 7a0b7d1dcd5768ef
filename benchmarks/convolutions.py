"""Why modflow convolves by matrix products on a processor: the cliff of XLA's own convolutions.

Four training steps of a ResNet-18 (heavy ball, batch normalization), once with XLA's convolutions
("native") and once with sums of matrix products ("products", `modflow.networks.convolution`):

host        four calls of one compiled step
unrolled    the four steps written one after another in one program
loop        `lax.fori_loop` over the steps in one program, as a training runs them
vmap        one step of each of four networks, under `jax.vmap`
map         one step of each of four networks, under `lax.map`

All are four steps, so that the times can be compared directly. Below the same for an MLP, which
has no convolutions: there the loop costs no more than the calls. The claim: with products a step
in a loop takes at most 1.2 times the time of a step from the host. What products cost beside
native convolutions from the host is printed too.

Width, images a batch and rounds can be given: `python benchmarks/convolutions.py 16 64 3`.
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _timing import best_of
from _trainings import time_of

from modflow.networks.network import Network
from modflow.training.program import batch_loss
from modflow.training.rates import optimizer

SIDE, STEPS = 28, 4
BOUND = 1.2


def programs(network):
    """The functions of four parameters sets and a batch, by name."""
    update = optimizer(1e-3, 0.9, "constant", 1).update

    def step(carry, batch):
        parameters, statistics, memory = carry
        (_, (statistics, _)), gradient = jax.value_and_grad(
            lambda p: batch_loss(network, p, statistics, *batch), has_aux=True
        )(parameters)
        change, memory = update(gradient, memory)
        return optax.apply_updates(parameters, change), statistics, memory

    def loop(carry, count, batch):
        return jax.lax.fori_loop(0, count, lambda _, carry: step(carry, batch), carry)

    def unrolled(carry, batch):
        for _ in range(STEPS):
            carry = step(carry, batch)
        return carry

    def mapped(carries, batch):
        return jax.lax.map(lambda carry: step(carry, batch), carries)

    return {
        "host": step,
        "unrolled": unrolled,
        "loop": loop,
        "vmap": jax.vmap(step, in_axes=(0, None)),
        "map": mapped,
    }


def calls_of(network, images, labels):
    """What each does once, compiled; and the seconds its compilation took."""
    rule = optimizer(1e-3, 0.9, "constant", 1)
    parameters, statistics = network.initial(0)
    one = parameters, statistics, rule.init(parameters)
    four = jax.tree.map(lambda leaf: jnp.stack([leaf] * STEPS), one)
    arguments = {
        "host": (one, (images, labels)),
        "unrolled": (one, (images, labels)),
        "loop": (one, jnp.asarray(STEPS), (images, labels)),
        "vmap": (four, (images, labels)),
        "map": (four, (images, labels)),
    }
    calls, seconds = {}, {}
    for name, function in programs(network).items():
        given = arguments[name]
        began = time.perf_counter()
        compiled = jax.jit(function).lower(*given).compile()
        seconds[name] = time.perf_counter() - began

        def call(compiled=compiled, given=given, name=name):
            carry = given[0]
            for _ in range(STEPS if name == "host" else 1):
                carry = compiled(carry, *given[1:])
            jax.block_until_ready(carry)

        calls[name] = call
    return calls, seconds


def measured(networks, images, labels, rounds):
    """The table of several networks; all of their calls in turns."""
    calls, compiled = {}, {}
    for title, network in networks.items():
        found, seconds = calls_of(network, images, labels)
        calls |= {(title, name): call for name, call in found.items()}
        compiled |= {(title, name): each for name, each in seconds.items()}
    for call in calls.values():
        call()
    took = dict(zip(calls, best_of(rounds, *calls.values()), strict=True))
    for title in networks:
        host = took[title, "host"]
        print(f"{title}:")
        for name in ("host", "unrolled", "loop", "vmap", "map"):
            own = took[title, name]
            print(
                f"  {name:9} {time_of(own / STEPS):>9} a step, {own / host:5.2f} times from the "
                f"host (compiled in {compiled[title, name]:.1f} s)",
                flush=True,
            )
    return took


def main(width=16, batch=64, rounds=3):
    draws = np.random.default_rng(0)
    images = jnp.asarray(draws.normal(size=(batch, SIDE, SIDE, 1)), jnp.float32)
    labels = jnp.asarray(draws.integers(10, size=batch))
    shape = (SIDE, SIDE, 1)
    print(f"four steps, {batch} images of {SIDE} by {SIDE}; the best of {rounds} rounds")
    nets = {
        f"resnet-18, width {width}, {way}": Network(
            "resnet-18", shape, width=width, convolutions=way
        )
        for way in ("native", "products")
    }
    took = measured(nets, images, labels, rounds)
    measured({"mlp, width 64": Network("mlp", shape, width=64)}, images, labels, 10 * rounds)
    native, products = nets
    loop = took[products, "loop"] / took[products, "host"]
    print(f"products, loop over host: {loop:.2f} (claim: at most {BOUND})")
    print(f"products over native, host: {took[products, 'host'] / took[native, 'host']:.2f}")
    best = took[native, "host"]
    print(f"products in a loop over native from the host: {took[products, 'loop'] / best:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
