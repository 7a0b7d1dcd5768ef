"""Architectures: sizes as published, layers against PyTorch's, and what a loss needs of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from modflow import ModflowError
from modflow.networks.layers import ACTIVATIONS
from modflow.networks.network import ARCHITECTURES, Network

COLOUR = (32, 32, 3)
DEEP = ("resnet-10", "resnet-18", "resnet-50", "densenet-121", "wide-resnet-16-8")
TINY = {
    "resnet-6": 2,
    "resnet-10": 2,
    "resnet-18": 2,
    "resnet-50": 1,
    "densenet-121": 2,
    "wide-resnet-16-8": 1,
}


@pytest.mark.parametrize(
    ("architecture", "classes", "published"),
    [
        # K. Liu's forms for CIFAR, which reports on CIFAR-10 mostly use.
        ("resnet-18", 10, 11_173_962),
        ("resnet-50", 10, 23_520_842),
        ("densenet-121", 10, 6_956_298),
        # "11.0M" in Zagoruyko & Komodakis, Table 4.
        ("wide-resnet-16-8", 10, 10_961_370),
        ("resnet-18", 100, 11_173_962 + 90 * 513),
        ("resnet-50", 100, 23_520_842 + 90 * 2049),
    ],
)
def test_parameters_as_published(architecture, classes, published):
    assert Network(architecture, COLOUR, classes).parameters == published


def test_parameters_of_an_mlp():
    network = Network("mlp", (8, 8, 1), width=5, depth=2, batch_norm=False)
    assert network.parameters == (64 * 5 + 5) + (5 * 5 + 5) + (5 * 10 + 10)
    assert Network("mlp", (8, 8, 1), width=5, depth=2).parameters == network.parameters + 4 * 5


def test_parameters_of_the_smallest_resnet():
    """Kernels, scales and biases, layer by layer: 1, 4, 4, 4, 8, 8 channels and 10 classes."""
    kernels = 9 * (1 * 4 + 4 * 4 + 4 * 4 + 4 * 8 + 8 * 8) + 4 * 8
    norms = 2 * (4 + 4 + 4 + 8 + 8 + 8)
    network = Network("resnet-6", (8, 8, 1), width=4)
    assert network.parameters == kernels + norms + 8 * 10 + 10


@pytest.mark.parametrize(
    "architecture",
    ["resnet-6", *(pytest.param(name, marks=pytest.mark.slow) for name in DEEP)],
)
def test_both_convolutions_make_the_same_network(architecture):
    with jax.enable_x64(True):
        x = jax.random.normal(jax.random.key(1), (3, 12, 12, 1))
        scores = []
        for way in ("products", "native"):
            network = Network(
                architecture,
                (12, 12, 1),
                width=TINY[architecture],
                precision="float64",
                convolutions=way,
            )
            scores.append(jax.jit(network.scores)(*network.initial(3), x)[0])
        np.testing.assert_allclose(*scores, rtol=1e-9, atol=1e-9)


def test_batches_are_normalized_by_themselves_in_training():
    network = Network("resnet-6", (8, 8, 1), width=2)
    parameters, statistics = network.initial(0)
    x = jax.random.normal(jax.random.key(0), (6, 8, 8, 1))
    seen = jax.jit(network.scores, static_argnames="training")
    scores, after = seen(parameters, statistics, x)
    # The running averages do not matter, and the images of the batch do.
    other = jax.tree.map(lambda leaf: leaf + 1, statistics)
    np.testing.assert_array_equal(scores, seen(parameters, other, x)[0])
    part, _ = seen(parameters, statistics, x[:3])
    assert float(jnp.abs(part - scores[:3]).max()) > 1e-3
    # The first layer's running mean is a tenth of the batch's own, beside nine of the old one.
    first = jax.lax.conv_general_dilated(
        x,
        parameters["first"]["kernel"],
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    expected = 0.1 * first.mean((0, 1, 2))
    np.testing.assert_allclose(after["norm"]["norm"]["mean"], expected, atol=1e-6)
    # For testing it is the other way round: an image's scores do not depend on the others.
    tested, _ = seen(parameters, after, x, training=False)
    alone, _ = seen(parameters, after, x[:1], training=False)
    np.testing.assert_allclose(tested[:1], alone, atol=1e-5)


def test_without_normalization_nothing_is_kept():
    network = Network("wide-resnet-16-8", (8, 8, 1), width=1, batch_norm=False)
    parameters, statistics = network.initial(0)
    assert jax.tree.leaves(statistics) == []
    assert "bias" in parameters["first"]


@pytest.mark.parametrize(("name", "factor"), [("he", 2), ("lecun", 1), ("torch", 1 / 3)])
def test_variance_of_the_weights(name, factor):
    network = Network("mlp", (16, 16, 1), width=256, initialization=name)
    weights = network.initial(0)[0]["hidden"][0]["kernel"]
    assert float(weights.var()) * 256 == pytest.approx(factor, rel=0.03)
    if name == "torch":
        assert float(jnp.abs(weights).max()) == pytest.approx(1 / 16, rel=1e-3)
    else:
        assert stats.kstest(np.ravel(weights) / float(weights.std()), "norm").pvalue > 0.01
    last = network.initial(0)[0]["out"]["kernel"]
    assert float(last.var()) * 256 == pytest.approx(min(factor, 1), rel=0.1)


def test_seeds():
    network = Network("mlp", (4, 4, 1), width=3)
    one, again, other = (network.initial(seed)[0]["out"]["kernel"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("precision", "of_scores", "of_parameters"),
    [
        ("float32", "float32", "float32"),
        ("bfloat16", "bfloat16", "float32"),
        ("float64", "float64", "float64"),
    ],
)
def test_precision(precision, of_scores, of_parameters):
    with jax.enable_x64(precision == "float64"):
        network = Network("resnet-6", (8, 8, 1), width=2, precision=precision)
        state = network.initial(0)
        scores, statistics = jax.eval_shape(network.scores, *state, jnp.ones((2, 8, 8, 1)))
        assert scores.dtype == of_scores
        assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {jnp.dtype(of_parameters)}
        assert jax.tree.map(lambda a: a.dtype, statistics) == jax.tree.map(
            lambda a: a.dtype, state[1]
        )


@pytest.mark.parametrize("activation", ["gelu", "tanh", "softplus", "relu"])
def test_smooth_activations_have_derivatives(activation):
    network = Network("mlp", (2, 2, 1), width=3, activation=activation, batch_norm=False)
    third = jax.grad(jax.grad(jax.grad(ACTIVATIONS[activation])))(0.3)
    assert network.smooth == (float(third) != 0) == (activation != "relu")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"architecture": "resnet-19"}, "did you mean 'resnet-18'"),
        ({"architecture": "densenet-121", "shape": (7, 9, 1)}, "8 x 8 pixels or more; got 7 x 9"),
        ({"activation": "sine"}, "unknown activation"),
        ({"initialization": "zeros"}, "unknown initialization"),
        ({"precision": "float16"}, "unknown precision"),
        ({"width": 0}, "the width of a network is a whole number from 1"),
        ({"classes": 1.5}, "number of classes"),
        ({"shape": (0, 8, 1)}, "extent of an image"),
    ],
)
def test_refused(wrong, message):
    with pytest.raises(ModflowError, match=message):
        Network(**{"architecture": "mlp", "shape": (8, 8, 1), **wrong})


def test_seeds_are_whole():
    with pytest.raises(ModflowError, match="a seed is a whole number from 0"):
        Network("mlp", (8, 8, 1)).initial(-1)


@pytest.mark.parametrize("architecture", sorted(TINY))
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 11, 2)])
def test_shapes(architecture, shape):
    network = Network(architecture, shape, classes=7, width=TINY[architecture])
    state = network.initial(0)
    images = jax.ShapeDtypeStruct((4, *shape), jnp.float32)
    scores, statistics = jax.eval_shape(network.scores, *state, images)
    assert scores.shape == (4, 7)
    assert jax.tree.structure(statistics) == jax.tree.structure(state[1])


def test_all_architectures_are_tested():
    assert set(ARCHITECTURES) == {"mlp", *TINY}


def test_against_pytorch():
    """ResNet-18 with the same weights: scores, running averages, and scores by these."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    network = Network("resnet-18", (16, 16, 1), width=4)
    parameters, statistics = network.initial(0)
    random = np.random.default_rng(0)
    images = random.normal(size=(5, 16, 16, 1)).astype(np.float32)
    running = {}

    def convolved(x, layer, stride=1):
        kernel = torch.tensor(np.asarray(layer["kernel"])).permute(3, 2, 0, 1)
        return functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)

    def normed(x, layer, key, training):
        scale, bias = (torch.tensor(np.asarray(layer["norm"][n])) for n in ("scale", "bias"))
        mean, var = running.setdefault(key, (torch.zeros_like(scale), torch.ones_like(scale)))
        return functional.batch_norm(x, mean, var, scale, bias, training, 0.1, 1e-5)

    def scores(training):
        p = parameters
        x = torch.tensor(images).permute(0, 3, 1, 2)
        x = functional.relu(normed(convolved(x, p["first"]), p["norm"], "norm", training))
        for i, block in p["blocks"].items():
            stride = 2 if i in (2, 4, 6) else 1
            y = convolved(x, block["a"], stride)
            y = functional.relu(normed(y, block["norm_a"], (i, "a"), training))
            y = normed(convolved(y, block["b"]), block["norm_b"], (i, "b"), training)
            if block.get("shortcut", {}).get("layer"):
                x = convolved(x, block["shortcut"]["layer"], stride)
                x = normed(x, block["shortcut"]["norm"], (i, "s"), training)
            x = functional.relu(x + y)
        x = x.mean((2, 3))
        out = {k: torch.tensor(np.asarray(v)) for k, v in p["out"].items()}
        return (x @ out["kernel"] + out["bias"]).numpy()

    ours, after = jax.jit(network.scores)(parameters, statistics, jnp.asarray(images))
    np.testing.assert_allclose(ours, scores(training=True), atol=2e-4)
    np.testing.assert_allclose(after["norm"]["norm"]["mean"], running["norm"][0], atol=1e-6)
    # Variances of a running average: PyTorch takes the unbiased one, Flax that of the batch.
    n = 5 * 16 * 16
    biased = 0.9 + (running["norm"][1].numpy() - 0.9) * (n - 1) / n
    np.testing.assert_allclose(after["norm"]["norm"]["var"], biased, atol=1e-6)
