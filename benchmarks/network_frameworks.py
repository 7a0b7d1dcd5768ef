"""What Flax (Linen and NNX) and Equinox cost for a ResNet-18, beside the same network by hand.

The network is the form for CIFAR-10: a first convolution of 3 by 3, four stages of two basic
blocks with w, 2w, 4w and 8w channels, a convolution of 1 by 1 on the shortcuts that change shape,
batch normalization with running averages, the mean over the image, a linear layer. Each library
has it as its documentation writes networks: `linen` with compact modules, `nnx` split into
parameters and statistics and merged again, once with both as `nnx.State` and once ("nnx dicts") as
nested dictionaries of arrays, `equinox` for one image, channels first, under `jax.vmap`. The
training step of each is one function of (parameters, statistics, optimizer state) under `jax.jit`,
all three donated, with `optax.sgd`; by hand, parameters are dictionaries and momentum is typed in,
with JAX alone imported.

First, that all are the same: the number of parameters at width 64; then, from the same weights,
the losses of three steps and the running averages after them.

Then each is measured in a fresh process, in turns, three times, and medians are taken:

import      JAX, the library and Optax, from a process that has imported nothing
make        parameters and statistics, operation by operation, as the documentation does
make (jit)  the same as one compiled program, its compilation included, after the former
lower       tracing the training step and lowering it
compile     what XLA takes for it
step        a training step, median of 15 after 3
call        calling a jitted function that returns its arguments, the state of the training:
            what the containers of a library cost at each call

About four minutes on two cores that do nothing else; the last line says how far the rounds were
apart. Width, images a batch and rounds can be given:
`python benchmarks/network_frameworks.py 16 64 3`.
"""

import json
import os
import subprocess
import sys
import time
from functools import partial
from statistics import median
from types import SimpleNamespace

NAMES = ("hand", "linen", "nnx", "nnx dicts", "equinox")
COLUMNS = ("import", "make", "make (jit)", "lower", "compile", "step", "call")
CLASSES, SIDE = 10, 28
RATE, MOMENTUM, KEPT, EPSILON = 0.05, 0.9, 0.9, 1e-5
PUBLISHED = 11_173_962
"""Parameters at width 64, for three channels and ten classes."""


def plan(width):
    """Inputs, outputs and stride of each block."""
    inputs = width
    for stage in range(4):
        for i in range(2):
            yield inputs, width * 2**stage, 2 if stage and i == 0 else 1
            inputs = width * 2**stage


# Each function imports its library and gives `make(key) -> (parameters, statistics)`,
# `loss(parameters, statistics, images, labels) -> (loss, statistics)`, and the optimizer.


def hand(width, channels):
    import jax
    import jax.numpy as jnp
    from jax import lax

    def convolution(key, size, inputs, outputs):
        shape = (size, size, inputs, outputs)
        scale = (2 / (size * size * inputs)) ** 0.5
        return {"kernel": scale * jax.random.normal(key, shape)}

    def normalization(features):
        return {"scale": jnp.ones(features), "bias": jnp.zeros(features)}

    def averages(features):
        return {"mean": jnp.zeros(features), "var": jnp.ones(features)}

    def make(key):
        key, first, last = jax.random.split(key, 3)
        parameters = {
            "stem": convolution(first, 3, channels, width),
            "norm": normalization(width),
            "out": {
                "kernel": jax.random.normal(last, (8 * width, CLASSES)) / (8 * width) ** 0.5,
                "bias": jnp.zeros(CLASSES),
            },
        }
        statistics = {"norm": averages(width)}
        for i, (inputs, outputs, stride) in enumerate(plan(width)):
            key, a, b, s = jax.random.split(key, 4)
            own = {
                "conv_a": convolution(a, 3, inputs, outputs),
                "norm_a": normalization(outputs),
                "conv_b": convolution(b, 3, outputs, outputs),
                "norm_b": normalization(outputs),
            }
            seen = {"norm_a": averages(outputs), "norm_b": averages(outputs)}
            if stride != 1 or inputs != outputs:
                own["conv_s"] = convolution(s, 1, inputs, outputs)
                own["norm_s"] = normalization(outputs)
                seen["norm_s"] = averages(outputs)
            parameters[f"blocks_{i}"], statistics[f"blocks_{i}"] = own, seen
        return parameters, statistics

    def convolve(x, parameters, stride=1):
        kernel = parameters["kernel"]
        padding = [(kernel.shape[0] // 2,) * 2] * 2
        return lax.conv_general_dilated(
            x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def normalize(x, parameters, averages):
        mean, square = x.mean((0, 1, 2)), (x * x).mean((0, 1, 2))
        var = jnp.maximum(square - mean * mean, 0)
        y = (x - mean) * (lax.rsqrt(var + EPSILON) * parameters["scale"]) + parameters["bias"]
        return y, {
            "mean": KEPT * averages["mean"] + (1 - KEPT) * mean,
            "var": KEPT * averages["var"] + (1 - KEPT) * var,
        }

    def block(x, own, seen, stride):
        after = {}
        y, after["norm_a"] = normalize(
            convolve(x, own["conv_a"], stride), own["norm_a"], seen["norm_a"]
        )
        y = convolve(jax.nn.relu(y), own["conv_b"])
        y, after["norm_b"] = normalize(y, own["norm_b"], seen["norm_b"])
        if "conv_s" in own:
            x = convolve(x, own["conv_s"], stride)
            x, after["norm_s"] = normalize(x, own["norm_s"], seen["norm_s"])
        return jax.nn.relu(x + y), after

    def loss(parameters, statistics, images, labels):
        after = {}
        x = convolve(images, parameters["stem"])
        x, after["norm"] = normalize(x, parameters["norm"], statistics["norm"])
        x = jax.nn.relu(x)
        for i, (_, _, stride) in enumerate(plan(width)):
            name = f"blocks_{i}"
            x, after[name] = block(x, parameters[name], statistics[name], stride)
        scores = x.mean((1, 2)) @ parameters["out"]["kernel"] + parameters["out"]["bias"]
        logs = jax.nn.log_softmax(scores)
        return -jnp.take_along_axis(logs, labels[:, None], axis=1).mean(), after

    def start(parameters):
        return jax.tree.map(jnp.zeros_like, parameters)

    def update(parameters, velocity, gradient):
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradient)
        return jax.tree.map(lambda p, v: p - RATE * v, parameters, velocity), velocity

    return SimpleNamespace(make=make, loss=loss, start=start, update=update)


def with_optax(make, loss, **more):
    import optax

    optimizer = optax.sgd(RATE, MOMENTUM)

    def update(parameters, state, gradient):
        updates, state = optimizer.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state

    return SimpleNamespace(make=make, loss=loss, start=optimizer.init, update=update, **more)


def linen(width, channels):
    import jax.numpy as jnp
    import optax
    from flax import linen as nn

    conv = partial(nn.Conv, padding=1, use_bias=False)

    class Block(nn.Module):
        features: int
        stride: int

        @nn.compact
        def __call__(self, x, train):
            norm = partial(
                nn.BatchNorm, use_running_average=not train, momentum=KEPT, epsilon=EPSILON
            )
            y = conv(self.features, (3, 3), self.stride, name="conv_a")(x)
            y = nn.relu(norm(name="norm_a")(y))
            y = norm(name="norm_b")(conv(self.features, (3, 3), name="conv_b")(y))
            if self.stride != 1 or x.shape[-1] != self.features:
                x = conv(self.features, (1, 1), self.stride, padding=0, name="conv_s")(x)
                x = norm(name="norm_s")(x)
            return nn.relu(x + y)

    class ResNet(nn.Module):
        width: int

        @nn.compact
        def __call__(self, x, train=True):
            x = conv(self.width, (3, 3), name="stem")(x)
            x = nn.BatchNorm(not train, momentum=KEPT, epsilon=EPSILON, name="norm")(x)
            x = nn.relu(x)
            for i, (_, outputs, stride) in enumerate(plan(self.width)):
                x = Block(outputs, stride, name=f"blocks_{i}")(x, train)
            return nn.Dense(CLASSES, name="out")(x.mean((1, 2)))

    model = ResNet(width)

    def make(key):
        variables = model.init(key, jnp.zeros((1, SIDE, SIDE, channels)))
        return variables["params"], variables["batch_stats"]

    def loss(parameters, statistics, images, labels):
        scores, after = model.apply(
            {"params": parameters, "batch_stats": statistics}, images, mutable=["batch_stats"]
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, labels)
        return losses.mean(), after["batch_stats"]

    return with_optax(make, loss)


def nnx(width, channels, dicts=False):
    import optax
    from flax import nnx

    def conv(inputs, outputs, size, stride, rngs):
        return nnx.Conv(
            inputs,
            outputs,
            (size, size),
            strides=stride,
            padding=size // 2,
            use_bias=False,
            rngs=rngs,
        )

    def norm(features, rngs):
        return nnx.BatchNorm(features, momentum=KEPT, epsilon=EPSILON, rngs=rngs)

    class Block(nnx.Module):
        def __init__(self, inputs, outputs, stride, rngs):
            self.conv_a = conv(inputs, outputs, 3, stride, rngs)
            self.norm_a = norm(outputs, rngs)
            self.conv_b = conv(outputs, outputs, 3, 1, rngs)
            self.norm_b = norm(outputs, rngs)
            changes = stride != 1 or inputs != outputs
            self.conv_s = conv(inputs, outputs, 1, stride, rngs) if changes else None
            self.norm_s = norm(outputs, rngs) if changes else None

        def __call__(self, x):
            y = nnx.relu(self.norm_a(self.conv_a(x)))
            y = self.norm_b(self.conv_b(y))
            if self.conv_s is not None:
                x = self.norm_s(self.conv_s(x))
            return nnx.relu(x + y)

    class ResNet(nnx.Module):
        def __init__(self, width, channels, rngs):
            self.stem = conv(channels, width, 3, 1, rngs)
            self.norm = norm(width, rngs)
            self.blocks = nnx.List([Block(*sizes, rngs) for sizes in plan(width)])
            self.out = nnx.Linear(8 * width, CLASSES, rngs=rngs)

        def __call__(self, x):
            x = nnx.relu(self.norm(self.stem(x)))
            for block in self.blocks:
                x = block(x)
            return self.out(x.mean((1, 2)))

    graph = None
    kept = nnx.to_pure_dict if dicts else lambda state: state

    def make(key):
        nonlocal graph
        model = ResNet(width, channels, nnx.Rngs(key))
        graph, parameters, statistics = nnx.split(model, nnx.Param, nnx.BatchStat)
        return kept(parameters), kept(statistics)

    def loss(parameters, statistics, images, labels):
        # The copies belong to the trace of the gradient: others could not be written to in it.
        model = nnx.merge(graph, parameters, statistics, copy=True)
        losses = optax.softmax_cross_entropy_with_integer_labels(model(images), labels)
        return losses.mean(), kept(nnx.state(model, nnx.BatchStat))

    return with_optax(make, loss)


def equinox(width, channels):
    import equinox as eqx
    import jax
    import optax

    def conv(inputs, outputs, size, stride, key):
        return eqx.nn.Conv2d(
            inputs, outputs, size, stride, padding=size // 2, use_bias=False, key=key
        )

    def norm(features):
        return eqx.nn.BatchNorm(features, "batch", eps=EPSILON, momentum=KEPT, mode="batch")

    class Block(eqx.Module):
        conv_a: eqx.nn.Conv2d
        norm_a: eqx.nn.BatchNorm
        conv_b: eqx.nn.Conv2d
        norm_b: eqx.nn.BatchNorm
        conv_s: eqx.nn.Conv2d | None
        norm_s: eqx.nn.BatchNorm | None

        def __init__(self, inputs, outputs, stride, key):
            a, b, s = jax.random.split(key, 3)
            self.conv_a = conv(inputs, outputs, 3, stride, a)
            self.norm_a = norm(outputs)
            self.conv_b = conv(outputs, outputs, 3, 1, b)
            self.norm_b = norm(outputs)
            changes = stride != 1 or inputs != outputs
            self.conv_s = conv(inputs, outputs, 1, stride, s) if changes else None
            self.norm_s = norm(outputs) if changes else None

        def __call__(self, x, state):
            y, state = self.norm_a(self.conv_a(x), state)
            y, state = self.norm_b(self.conv_b(jax.nn.relu(y)), state)
            if self.conv_s is not None:
                x, state = self.norm_s(self.conv_s(x), state)
            return jax.nn.relu(x + y), state

    class ResNet(eqx.Module):
        stem: eqx.nn.Conv2d
        norm: eqx.nn.BatchNorm
        blocks: list[Block]
        out: eqx.nn.Linear

        def __init__(self, width, channels, key):
            first, last, *keys = jax.random.split(key, 10)
            self.stem = conv(channels, width, 3, 1, first)
            self.norm = norm(width)
            sizes = zip(plan(width), keys, strict=True)
            self.blocks = [Block(*own, key) for own, key in sizes]
            self.out = eqx.nn.Linear(8 * width, CLASSES, key=last)

        def __call__(self, x, state):
            x, state = self.norm(self.stem(x), state)
            x = jax.nn.relu(x)
            for block in self.blocks:
                x, state = block(x, state)
            return self.out(x.mean((1, 2))), state

    static = None

    def make(key):
        nonlocal static
        model, state = eqx.nn.make_with_state(ResNet)(width, channels, key)
        parameters, static = eqx.partition(model, eqx.is_inexact_array)
        return parameters, state

    def loss(parameters, statistics, images, labels):
        model = eqx.combine(parameters, static)
        scores, statistics = jax.vmap(
            model, axis_name="batch", in_axes=(0, None), out_axes=(0, None)
        )(images, statistics)
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, labels)
        return losses.mean(), statistics

    def averages(state):
        norms, _ = jax.tree_util.tree_flatten_with_path(
            static, is_leaf=lambda x: isinstance(x, eqx.nn.BatchNorm)
        )
        found = {}
        for path, norm in norms:
            if isinstance(norm, eqx.nn.BatchNorm):
                mean, var = state.get(norm.batch_state_index)
                found[jax.tree_util.keystr(path, simple=True, separator="/")] = {
                    "mean": mean,
                    "var": var,
                }
        return found

    return with_optax(make, loss, channels_first=True, averages=averages)


FRAMEWORKS = {
    "hand": hand,
    "linen": linen,
    "nnx": nnx,
    "nnx dicts": partial(nnx, dicts=True),
    "equinox": equinox,
}


def step_of(network):
    import jax

    def step(parameters, statistics, state, images, labels):
        (value, statistics), gradient = jax.value_and_grad(network.loss, has_aux=True)(
            parameters, statistics, images, labels
        )
        parameters, state = network.update(parameters, state, gradient)
        return parameters, statistics, state, value

    return jax.jit(step, donate_argnums=(0, 1, 2))


def batch_for(network, batch):
    import jax.numpy as jnp
    import numpy as np

    draws = np.random.default_rng(0)
    images = draws.normal(size=(batch, SIDE, SIDE, 1)).astype(np.float32)
    if getattr(network, "channels_first", False):
        images = images.transpose(0, 3, 1, 2)
    return jnp.asarray(images), jnp.asarray(draws.integers(CLASSES, size=batch))


def measured(name, width, batch):
    """In this process, which has imported nothing yet."""
    took = {}
    began = time.perf_counter()

    def lap(what):
        nonlocal began
        took[what] = time.perf_counter() - began
        began = time.perf_counter()

    network = FRAMEWORKS[name](width, 1)
    lap("import")
    import jax

    key = jax.random.key(0)
    jax.block_until_ready(jax.numpy.zeros(()) + 1)  # the device is found
    began = time.perf_counter()
    parameters, statistics = jax.block_until_ready(network.make(key))
    lap("make")
    jax.block_until_ready(jax.jit(network.make)(key))
    lap("make (jit)")

    state = network.start(parameters)
    images, labels = jax.block_until_ready(batch_for(network, batch))
    own = parameters, statistics, state
    same = jax.jit(lambda *own: own)
    calls = []
    for _ in range(200):
        began = time.perf_counter()
        jax.block_until_ready(same(*own))
        calls.append(time.perf_counter() - began)
    took["call"] = median(calls)

    began = time.perf_counter()
    lowered = step_of(network).lower(*own, images, labels)
    lap("lower")
    step = lowered.compile()
    lap("compile")
    steps = []
    for _ in range(18):
        began = time.perf_counter()
        *own, _ = jax.block_until_ready(step(*own, images, labels))
        steps.append(time.perf_counter() - began)
    took["step"] = median(steps[3:])
    return took


def named(tree):
    """The leaves of a tree by names that mean the same in all."""
    import jax

    def name(path):
        joined = jax.tree_util.keystr(path, simple=True, separator="/")
        joined = joined.removesuffix("/value").replace("blocks_", "blocks/")
        if joined.endswith("/weight"):
            joined = joined[:-6] + ("scale" if "norm" in joined else "kernel")
        return joined

    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    return {name(path): leaf for path, leaf in leaves}, structure


def three_steps(name, width, batch, weights=None):
    """Weights (those given, if any), three losses from them, running averages after these."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    network = FRAMEWORKS[name](width, 1)
    parameters, statistics = network.make(jax.random.key(0))
    leaves, structure = named(parameters)
    channels_first = getattr(network, "channels_first", False)
    if weights is None:
        weights = {key: np.array(leaf) for key, leaf in leaves.items()}
    assert leaves.keys() == weights.keys(), name
    own = []
    for key, leaf in leaves.items():
        value = weights[key]
        if channels_first and key.endswith("kernel"):
            value = value.T if value.ndim == 2 else value.transpose(3, 2, 0, 1)
        assert value.shape == leaf.shape, (name, key)
        own.append(jnp.array(value))
    parameters = jax.tree.unflatten(structure, own)
    state, step = network.start(parameters), step_of(network)
    data, losses = batch_for(network, batch), []
    for _ in range(3):
        parameters, statistics, state, value = step(parameters, statistics, state, *data)
        losses.append(float(value))
    if channels_first:
        statistics = network.averages(statistics)
    averages, _ = named(statistics)
    return weights, losses, {key: np.array(leaf) for key, leaf in averages.items()}


def check(width, batch):
    """Fails where they are not the same network; the largest differences to the one by hand."""
    import jax
    import numpy as np

    for name, framework in FRAMEWORKS.items():
        parameters, _ = jax.eval_shape(framework(64, 3).make, jax.random.key(0))
        count = sum(leaf.size for leaf in jax.tree.leaves(parameters))
        assert count == PUBLISHED, (name, count)
    weights, losses, averages = three_steps("hand", width, batch)
    gaps = {}
    for name in NAMES[1:]:
        _, others, found = three_steps(name, width, batch, weights)
        assert found.keys() == averages.keys(), name
        loss = np.abs(np.subtract(others, losses)) / np.abs(losses)
        seen = max(
            np.linalg.norm(found[key] - own) / np.linalg.norm(own) for key, own in averages.items()
        )
        gaps[name] = [float(loss[0]), float(loss.max()), float(seen)]
        assert loss[0] < 1e-4, (name, others, losses)
    return {"losses": losses, "gaps": gaps}


def shown(what, seconds):
    return f"{1e6 * seconds:.0f} us" if what == "call" else f"{seconds:.3f} s"


def main(width=16, batch=64, rounds=3):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "false"}

    def fresh(*arguments):
        command = [sys.executable, __file__, *map(str, arguments)]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    found = fresh("check", width, batch)
    print(f"each has {PUBLISHED:,} parameters at width 64")
    print("from the same weights, losses of three steps by hand:", *found["losses"])
    for name, (first, worst, seen) in found["gaps"].items():
        print(
            f"  {name}: relative difference of the first {first:.0e}, of the three {worst:.0e}; "
            f"of running averages {seen:.0e}"
        )

    runs = {name: [] for name in NAMES}
    for _ in range(rounds):
        for name in NAMES:
            runs[name].append(fresh("measure", name, width, batch))
    took = {
        what: {name: median(run[what] for run in runs[name]) for name in NAMES} for what in COLUMNS
    }
    print(f"\nwidth {width}, {batch} images of {SIDE} by {SIDE} a batch, medians of {rounds}")
    print("in brackets: ratio to the fastest of the libraries, and to the network by hand")
    print(" " * 10 + "".join(f"{name:>24}" for name in NAMES))
    for what, times in took.items():
        fastest = min(times[name] for name in NAMES[1:])
        cells = [f"{shown(what, times['hand']):>24}"]
        for name in NAMES[1:]:
            ratios = f"({times[name] / fastest:.2f}, {times[name] / times['hand']:.2f})"
            cells.append(f"{shown(what, times[name]) + ' ' + ratios:>24}")
        print(f"{what:10}" + "".join(cells))
    apart = (
        f"{what} {max(max(own) / min(own) for own in columns):.2f}"
        for what in COLUMNS
        for columns in [[[run[what] for run in runs[name]] for name in NAMES]]
    )
    print("slowest round over fastest, at most: " + ", ".join(apart))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["measure", name, *sizes]:
            print(json.dumps(measured(name, *map(int, sizes))))
        case ["check", *sizes]:
            print(json.dumps(check(*map(int, sizes))))
        case sizes:
            main(*map(int, sizes))
