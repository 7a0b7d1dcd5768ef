"""What a training step of modflow costs beside the same step in minimal JAX and Optax by hand.

modflow's runs are trained as `modflow train` trains them: in chunks of about a second, between
which losses are noted and the batches of the next chunk are laid out. By hand it is one step of
`optax.sgd` with momentum under `jax.jit`, called in a Python loop, its arguments donated; XLA's
own convolutions; the images already normalized in memory, and what a step sees of them gathered
in the step. The losses are kept as arrays and never looked at. Both train in turns, a chunk each
of the same length.

First, that it is the same network: the same number of parameters, and from the same weights the
same loss. The claim: a step of modflow takes at most 1.05 times the time of one by hand.

What comes before the first counted chunk is given apart ("compiled in"): compilation, and with
modflow the trial of how steps are made. The rounds can be given, and words that choose cases:
`python benchmarks/training_step.py 10 "28 by 28"`.
"""

import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _trainings import images_like, in_turns, prepared_for, ratio, time_of
from network_frameworks import hand, with_optax

from modflow.training.program import batch_loss

BOUND = 1.05
H, BETA = 1e-3, 0.9
CASES = {
    "resnet-18, width 16, batch 64 of 28 by 28": (
        28,
        {"architecture": "resnet-18", "width": 16, "batch": 64},
    ),
    "resnet-18, width 8, full batch of 1000, 14 by 14": (
        14,
        {"architecture": "resnet-18", "width": 8},
    ),
    "mlp, width 64, full batch of 1000, 8 by 8": (8, {"architecture": "mlp", "width": 64}),
    "mlp, width 64, batch 64 of 8 by 8": (8, {"architecture": "mlp", "width": 64, "batch": 64}),
}


def hand_mlp(width, inputs, depth=2):
    """A fully connected network with batch normalization, in the form of `hand`."""
    sizes = [inputs] + [width] * depth + [10]

    def make(key):
        parameters = [
            {"kernel": jax.random.normal(k, (a, b)) / a**0.5, "bias": jnp.zeros(b)}
            for k, a, b in zip(jax.random.split(key, depth + 1), sizes, sizes[1:], strict=False)
        ]
        norms = [{"scale": jnp.ones(width), "bias": jnp.zeros(width)} for _ in range(depth)]
        seen = [{"mean": jnp.zeros(width), "var": jnp.ones(width)} for _ in range(depth)]
        return {"layers": parameters, "norms": norms}, seen

    def loss(parameters, seen, images, labels):
        x, after = images.reshape(len(images), -1), []
        *layers, out = parameters["layers"]
        for layer, norm, old in zip(layers, parameters["norms"], seen, strict=True):
            # A bias before the normalization, as modflow's network has it.
            x = x @ layer["kernel"] + layer["bias"]
            mean, square = x.mean(0), (x * x).mean(0)
            var = jnp.maximum(square - mean * mean, 0)
            x = (x - mean) * (jax.lax.rsqrt(var + 1e-5) * norm["scale"]) + norm["bias"]
            x = jax.nn.relu(x)
            new = {"mean": mean, "var": var}
            after.append(jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, old, new))
        logs = jax.nn.log_softmax(x @ out["kernel"] + out["bias"])
        return -jnp.take_along_axis(logs, labels[:, None], axis=1).mean(), after

    return with_optax(make, loss)


def from_modflow(architecture, ours):
    """The weights of modflow's network, in the form of the one by hand."""
    if architecture == "mlp":
        layers = [ours["hidden"][i] for i in sorted(ours["hidden"])]
        norms = [ours["norms"][i]["norm"] for i in sorted(ours["norms"])]
        return {"layers": [*layers, ours["out"]], "norms": norms}
    found = {"stem": ours["first"], "norm": ours["norm"]["norm"], "out": ours["out"]}
    for i, block in ours["blocks"].items():
        own = {
            "conv_a": block["a"],
            "norm_a": block["norm_a"]["norm"],
            "conv_b": block["b"],
            "norm_b": block["norm_b"]["norm"],
        }
        if block.get("shortcut"):
            own["conv_s"] = block["shortcut"]["layer"]
            own["norm_s"] = block["shortcut"]["norm"]["norm"]
        found[f"blocks_{i}"] = own
    return found


def by_hand(prepared):
    """A function that trains for a number of steps; its first call compiles, in this time."""
    of = prepared.experiment
    pool, labels = prepared.pool
    mean, scale, fixed, _ = prepared.of_seed(0)
    pixels = jnp.asarray((pool.astype(np.float32) - mean) * scale)
    labels = jnp.asarray(labels)
    side, channels = pool.shape[1], pool.shape[3]
    if of.architecture == "mlp":
        network = hand_mlp(of.width, side * side * channels)
    else:
        network = hand(of.width, channels)
        network = with_optax(network.make, network.loss)
    theirs = prepared.network("native")
    weights, seen = theirs.initial(0)
    parameters, statistics = network.make(jax.random.key(0))
    given = from_modflow(of.architecture, weights)
    assert jax.tree.structure(given) == jax.tree.structure(parameters)
    assert jax.tree.map(jnp.shape, given) == jax.tree.map(jnp.shape, parameters)
    batch = jnp.asarray(fixed[0])
    ours, _ = batch_loss(theirs, weights, seen, pixels[batch], labels[batch])
    other, _ = network.loss(given, statistics, pixels[batch], labels[batch])
    assert abs(ours - other) < 1e-4 * ours, (ours, other)
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    print(f"  {count:,} parameters; losses {float(ours):.6f} and {float(other):.6f}")

    rule = optax.sgd(H, momentum=BETA)
    full = of.batch is None
    whole = jax.block_until_ready((pixels[batch], labels[batch])) if full else None

    @partial(jax.jit, donate_argnums=0)
    def step(state, *seen):
        parameters, statistics, memory = state
        images, own = seen if full else (pixels[seen[0]], labels[seen[0]])
        (value, statistics), gradient = jax.value_and_grad(network.loss, has_aux=True)(
            parameters, statistics, images, own
        )
        change, memory = rule.update(gradient, memory)
        return (optax.apply_updates(parameters, change), statistics, memory), value

    state = jax.tree.map(jnp.array, (given, statistics, rule.init(given)))
    draws, train = np.random.default_rng(0), np.concatenate(fixed)
    steps_per_epoch = prepared.steps_per_epoch
    k, order, losses = 0, train, []

    def run(count):
        nonlocal state, k, order, losses
        losses = []
        for _ in range(count):
            if full:
                given = whole
            else:
                at = k % steps_per_epoch
                if at == 0:
                    order = draws.permutation(train)
                given = (order[at * of.batch : (at + 1) * of.batch],)
            state, value = step(state, *given)
            losses.append(value)
            k += 1
        jax.block_until_ready((state, losses))

    began = time.perf_counter()
    run(1)
    return run, time.perf_counter() - began


def main(rounds=10, *words):
    print(f"the best of {rounds} rounds each; the claim: at most {BOUND}")
    for name, (side, settings) in CASES.items():
        if not all(word in name for word in words):
            continue
        print(name)
        prepared = prepared_for(images_like(side, 1, 1100), **settings)
        run, compiled = by_hand(prepared)
        took, first = in_turns(prepared, {"by hand": run}, rounds)
        best, middle = ratio(took["modflow"], took["by hand"])
        print(
            f"  modflow {time_of(min(took['modflow']))} a step, by hand "
            f"{time_of(min(took['by hand']))}: {best:.3f} (median of the rounds {middle:.3f}); "
            f"compiled in {first:.1f} s and {compiled:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main(*(int(word) if word.isdigit() else word for word in sys.argv[1:]))
