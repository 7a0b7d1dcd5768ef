"""A training step of modflow beside one of PyTorch, a ResNet-18 on the processor.

Both train the same network on the same random images: the ResNet-18 for small images with batch
normalization, cross-entropy, SGD with momentum 0.9, float32, mini-batches. modflow trains as
`modflow train` does, in chunks of about a second; PyTorch as many steps after each chunk, in a
Python loop, its losses read once at the end of the chunk; once with images in PyTorch's default
format (channels first) and once with `channels_last`. All use all processors. The number of
parameters of both is printed, which must be the same.

Then where the time goes: the convolutions of the network alone, one by one with forward and
backward, in PyTorch (oneDNN), as XLA's own convolution called from the host, and as modflow's sums
of matrix products; and a batch normalization with the activation behind it.

Measured so far on one core, in processor time, at width 16, 28 by 28, batch 64 and with PyTorch
2.13: modflow takes 1.9 times as long, 311 ms beside 162. Of the 149 ms between, the convolutions
are 75 to 88: forward and backward they take 241 ms as XLA's own and 472 ms as matrix products,
beside 166 (default format) and 153 (channels last) in PyTorch. Batch normalization with its
activation is no reason: 45 ms, beside 58 and 47. Where the rest goes has not been measured.

Width, extent, channels, images a batch and rounds can be given:
`python benchmarks/training_against_pytorch.py 64 32 3 64 5`. PyTorch is not among what
`.[test]` brings: `pip install torch`.
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from _timing import best_of
from _trainings import images_like, in_turns, prepared_for, ratio, time_of

from modflow.networks.convolution import as_products
from modflow.processors import default_jobs

try:
    import torch
    from torch import nn
except ImportError:
    sys.exit("this benchmark needs PyTorch: pip install torch")

H, BETA = 1e-3, 0.9
CALLS = 5
FORMATS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.a = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm_a = nn.BatchNorm2d(outputs)
        self.b = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm_b = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = torch.relu(self.norm_a(self.a(x)))
        return torch.relu(self.norm_b(self.b(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    def __init__(self, width, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        blocks, inputs = [], width
        for stage in range(4):
            for i in range(2):
                blocks.append(Block(inputs, width * 2**stage, 2 if stage and i == 0 else 1))
                inputs = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.out = nn.Linear(inputs, 10)

    def forward(self, x):
        x = self.blocks(torch.relu(self.norm(self.first(x))))
        return self.out(x.mean((2, 3)))


def in_torch(prepared, layout):
    """A function that trains for a number of steps, and the number of parameters."""
    of = prepared.experiment
    pool, labels = prepared.pool
    mean, scale, fixed, _ = prepared.of_seed(0)
    pixels = torch.from_numpy(((pool.astype(np.float32) - mean) * scale).transpose(0, 3, 1, 2))
    pixels = pixels.contiguous(memory_format=layout)
    labels, batches = torch.from_numpy(labels).long(), torch.from_numpy(fixed).long()
    network = ResNet18(of.width, pool.shape[3]).to(memory_format=layout)
    rule = torch.optim.SGD(network.parameters(), H, BETA)
    k = 0

    def run(count):
        nonlocal k
        losses = []
        for _ in range(count):
            batch = batches[k % len(batches)]
            rule.zero_grad()
            loss = nn.functional.cross_entropy(network(pixels[batch]), labels[batch])
            loss.backward()
            rule.step()
            losses.append(loss.detach())
            k += 1
        torch.stack(losses).tolist()

    return run, sum(each.numel() for each in network.parameters())


def native(images, kernel, stride, padding):
    return jax.lax.conv_general_dilated(
        images, kernel, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def parts(width, side, channels):
    """Kernel, extent, inputs, outputs and stride of the convolutions, and how many there are."""
    yield 3, side, channels, width, 1, 1
    for stage in range(4):
        features = width * 2**stage
        if stage:
            yield 3, side, features // 2, features, 2, 1
            yield 1, side, features // 2, features, 2, 1
            side = -(-side // 2)
        yield 3, side, features, features, 1, 3 if stage else 4


def repeated(function, *arguments):
    """CALLS times from the host, waited for at the end."""

    def call():
        jax.block_until_ready([function(*arguments) for _ in range(CALLS)])

    return call


def torch_parts(module, x):
    """Forward, and forward and backward, of a module of PyTorch."""
    with torch.no_grad():
        shape = module(x).detach()
    ahead = torch.randn_like(shape)

    def forward():
        with torch.no_grad():
            for _ in range(CALLS):
                module(x)

    def both():
        for _ in range(CALLS):
            x.grad = None
            module(x).backward(ahead)

    return forward, both


def jax_parts(function, *arguments):
    """The same for a function of JAX, with one program from the host each."""
    ahead = jax.jit(function)(*arguments)

    def pulled(ahead, *arguments):
        value, back = jax.vjp(function, *arguments)
        return value, back(ahead)

    forward, both = jax.jit(function), jax.jit(pulled)
    return repeated(forward, *arguments), repeated(both, ahead, *arguments)


def convolution_calls(batch, size, side, inputs, outputs, stride):
    draws = np.random.default_rng(0)
    x = draws.normal(size=(batch, side, side, inputs)).astype(np.float32)
    kernel = (draws.normal(size=(size, size, inputs, outputs)) / size).astype(np.float32)
    pads = [(size // 2, size // 2)] * 2
    calls = {}
    for name, layout in FORMATS.items():
        module = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        module = module.to(memory_format=layout)
        given = torch.from_numpy(x.transpose(0, 3, 1, 2)).contiguous(memory_format=layout)
        calls[f"PyTorch {name}"] = torch_parts(module, given.requires_grad_())
    for name, way in (("XLA", native), ("products", as_products)):

        def function(x, kernel, way=way):
            return way(x, kernel, (stride, stride), pads)

        calls[name] = jax_parts(function, jnp.asarray(x), jnp.asarray(kernel))
    return calls


def normalization_calls(batch, side, features):
    x = np.random.default_rng(0).normal(size=(batch, side, side, features)).astype(np.float32)
    calls = {}
    for name, layout in FORMATS.items():
        module = nn.Sequential(nn.BatchNorm2d(features), nn.ReLU()).to(memory_format=layout)
        given = torch.from_numpy(x.transpose(0, 3, 1, 2)).contiguous(memory_format=layout)
        calls[f"PyTorch {name}"] = torch_parts(module, given.requires_grad_())

    def normalized(x, scale, bias):
        mean, square = x.mean((0, 1, 2)), (x * x).mean((0, 1, 2))
        factor = jax.lax.rsqrt(jnp.maximum(square - mean * mean, 0) + 1e-5) * scale
        return jax.nn.relu((x - mean) * factor + bias)

    calls["XLA"] = jax_parts(normalized, jnp.asarray(x), jnp.ones(features), jnp.zeros(features))
    return calls


def table(title, kinds, rounds):
    """Times of one of each kind; and the sum over all of the network's, by way and pass."""
    print(f"{title}, forward / forward and backward in ms")
    total = {}
    for label, number, calls in kinds:
        flat = [call for pair in calls.values() for call in pair]
        for call in flat:
            call()
        took = iter(1e3 * each / CALLS for each in best_of(rounds, *flat))
        cells = []
        for name in calls:
            ahead, both = next(took), next(took)
            cells.append(f"{name} {ahead:.2f} / {both:.2f}")
            old = total.get(name, (0, 0))
            total[name] = old[0] + number * ahead, old[1] + number * both
        print(f"  {number} of {label}: " + ", ".join(cells), flush=True)
    cells = (f"{name} {ahead:.1f} / {both:.1f}" for name, (ahead, both) in total.items())
    print("  all of a step: " + ", ".join(cells), flush=True)


def main(width=16, side=28, channels=1, batch=64, rounds=8):
    torch.set_num_threads(default_jobs())
    print(
        f"resnet-18, width {width}, {batch} images of {side} by {side} by {channels}; PyTorch "
        f"{torch.__version__}, {torch.get_num_threads()} threads; JAX {jax.__version__}"
    )
    prepared = prepared_for(
        images_like(side, channels, 740),
        architecture="resnet-18",
        width=width,
        batch=batch,
        train=640,
    )
    others, counts = {}, set()
    for name, layout in FORMATS.items():
        others[f"PyTorch {name}"], count = in_torch(prepared, layout)
        counts.add(count)
    ours = prepared.network("products").parameters
    print(f"parameters: modflow {ours:,}, PyTorch {counts.pop():,}")
    began = time.perf_counter()
    took, first = in_turns(prepared, others, rounds)
    print(f"a step (compiled in {first:.1f} s, all in {time.perf_counter() - began:.0f} s)")
    print(f"  modflow               {time_of(min(took['modflow']))}")
    for name in others:
        best, middle = ratio(took["modflow"], took[name])
        print(
            f"  {name:21} {time_of(min(took[name]))}: modflow takes {best:.2f} times as long "
            f"(median of the rounds {middle:.2f})",
            flush=True,
        )
    kinds = (
        (
            f"{size} by {size}, {inputs} to {outputs} channels, stride {stride}, {side} by {side}",
            number,
            convolution_calls(batch, size, side, inputs, outputs, stride),
        )
        for size, side, inputs, outputs, stride, number in parts(width, side, channels)
    )
    table("convolutions", kinds, rounds)
    sides = [side, -(-side // 2), -(-side // 4), -(-side // 8)]
    kinds = (
        (
            f"{width * 2**i} channels of {extent} by {extent}",
            4 + (i == 0) + (i > 0),
            normalization_calls(batch, extent, width * 2**i),
        )
        for i, extent in enumerate(sides)
    )
    table("batch normalizations with relu", kinds, rounds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
