"""Orders of batches: how they are given, what they draw, and what flows make of them.

Weights against sums written from the printed Theorem 5.1 in NumPy; the Runge–Kutta step against
diffrax's; programs counted by how often JAX traces a loss.
"""

import json
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import modflow as mf
from modflow.batches import BatchFlow, BatchSchedule, compare_batches, compare_flow, sequences
from modflow.batches.later import Later, places
from modflow.batches.schedules import SAMPLINGS
from modflow.batches.sequences import parse_sequence
from modflow.batches.stages import Stages
from modflow.methods import (
    Composition,
    DampedHeavyBall,
    GradientDescent,
    HeavyBall,
    LinearTwoStep,
    Nesterov,
)
from modflow.problems import Problem
from modflow.series.tensors import NumericSeries

EPS = np.finfo(float).eps


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


# -- sequences as text ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [("0,2,1,1", [0, 2, 1, 1]), (" 3 ", [3]), ("0, 10 ,1", [0, 10, 1]), ("007", [7])],
)
def test_sequences_that_are_read(text, found):
    assert parse_sequence(text) == found


@pytest.mark.parametrize(
    "content",
    [
        b"0\n2\n1\n1\n",
        b"0,2,1,1",
        b"0,2,\n1,1\n",
        b"\xef\xbb\xbf0\r\n2 , 1\r\n\r\n1\r\n",
        b"\n\n 0,2\n1\n\t1",
    ],
)
def test_files_that_are_read(tmp_path, content):
    path = tmp_path / "0,order of, batches"  # an @ tells a file from a list
    path.write_bytes(content)
    assert parse_sequence(f"@{path}") == [0, 2, 1, 1]


@pytest.mark.parametrize(
    "text",
    [
        "0,,1",
        "0,1,",
        ",",
        "0;1",
        "0 1",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "a",
        "0x1",
        "1" * 10,
        "²",
        "order.txt",
    ],
)
def test_sequences_that_are_no_list(text):
    with pytest.raises(mf.ModflowError, match=r"--sequence: '.*' is no batch") as error:
        parse_sequence(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 120


@pytest.mark.parametrize(
    "text", ["", "  ", "@", "@empty", "@missing", "@.", "@binary", "@bad", "@long"]
)
def test_sequences_that_cannot_be_read(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sequences, "_MAX_BYTES", 100)
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bad").write_text("0,1\n2,x\n")
    (tmp_path / "long").write_text("0\n" * 51)
    why = {
        "": "--sequence has no batches in it",
        "  ": "--sequence has no batches in it",
        "@": "--sequence @ names no file",
        "@empty": "empty has no batches in it",
        "@missing": "cannot read missing: No such file",
        "@.": "cannot read .: Is a directory",
        "@binary": "binary is no text",
        "@bad": "bad, line 2: 'x' is no batch",
        "@long": "long is too long",
    }
    with pytest.raises(mf.ModflowError, match=why[text]):
        parse_sequence(text)


# -- schedules ------------------------------------------------------------------------------------


def epochs(schedule, number):
    drawn, count = schedule.first(number * schedule.count), schedule.count
    return [tuple(drawn[i : i + count]) for i in range(0, len(drawn), count)]


def test_with_and_without_replacement():
    """By the kind: one permutation, a permutation an epoch, or draws that know no epochs."""
    for seed in range(5):
        (once,) = set(epochs(BatchSchedule("once", 7, seed), 20))
        assert sorted(once) == list(range(7))
        shuffled = epochs(BatchSchedule("shuffled", 7, seed), 20)
        assert all(sorted(epoch) == list(range(7)) for epoch in shuffled)
        assert len(set(shuffled)) > 15
        assert shuffled[0] == once
        # 7^7 sequences, 7! of which are permutations: one epoch in 163.
        drawn = epochs(BatchSchedule("independent", 7, seed), 20)
        assert sum(sorted(epoch) == list(range(7)) for epoch in drawn) < 3


def test_all_permutations_are_drawn_once():
    """720 seeds among 6 permutations: 120 each, with a deviation of 10."""
    found = Counter(tuple(BatchSchedule("once", 3, seed).first(3)) for seed in range(720))
    assert len(found) == 6
    assert max(abs(n - 120) for n in found.values()) < 5 * np.sqrt(720 * 5 / 36)


@pytest.mark.parametrize(
    "schedule",
    [
        BatchSchedule("once", 7, seed=3),
        BatchSchedule("once", 100, seed=3),  # longer than the shortest table
        BatchSchedule.of([0, 2, 1, 1]),
        BatchSchedule.of(np.arange(130) % 11),
    ],
    ids=["once", "once-long", "listed", "listed-long"],
)
def test_repeated_orders_are_functions_of_the_step(schedule):
    period = schedule.count if schedule.kind == "once" else len(schedule.sequence)
    expected = schedule.first(3 * period)
    assert expected[:period] == expected[period : 2 * period] == expected[2 * period :]
    assert [schedule(k) for k in range(3 * period)] == expected
    assert schedule(period * 10**20 + 1) == expected[1]
    inside = jax.jit(lambda k: jax.vmap(schedule)(k))
    for x64 in (False, True):
        with jax.enable_x64(x64):
            assert inside(jnp.arange(3 * period)).tolist() == expected
            late = period * 10**6
            assert inside(jnp.arange(late, late + period)).tolist() == expected[:period]


def test_listed_orders():
    assert BatchSchedule.of([0, 2, 1, 1]) == BatchSchedule("listed", 3, sequence=[0, 2, 1, 1])
    assert BatchSchedule.of(iter([1]), 5).to_dict() == {
        "kind": "listed",
        "count": 5,
        "seed": 0,
        "sequence": [1],
    }
    assert "sequence" not in BatchSchedule("once", 5).to_dict()
    # NumPy's integers are no JSON.
    json.dumps(BatchSchedule.of(np.array([0, 1])).to_dict())


def test_draws_of_one_kind_are_one_type_for_programs():
    """So that no seed and no sequence is compiled for itself."""

    def kind(schedule):
        draw = schedule.draw()
        leaves = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(draw)]
        return jax.tree.structure(draw), leaves

    tabled = [
        BatchSchedule("cyclic", 5),
        *(BatchSchedule("once", 5, seed) for seed in (1, 2)),
        *(BatchSchedule.of(given, 5) for given in ([0], [4, 3], range(5), [0] * 64)),
    ]
    assert len({str(kind(schedule)) for schedule in tabled}) == 1
    for name in ("shuffled", "independent"):
        assert len({str(kind(BatchSchedule(name, 5, seed))) for seed in (1, 2)}) == 1


def test_schedules_that_are_refused(monkeypatch):
    monkeypatch.setattr("modflow.batches.schedules.MAX_SEQUENCE", 10)
    cases = [
        ([], None, "the sequence of batches is empty"),
        ([0, 1.5], None, "a batch is a whole number from 0; got 1.5"),
        ([0, -1], None, "a batch is a whole number from 0; got -1"),
        ([True], None, "a batch is a whole number from 0"),
        ("012", None, "batches are a sequence of whole numbers"),
        (3, None, "batches are a sequence of whole numbers"),
        ([0, 4], 4, "there is no batch 4: they are numbered 0 to 3"),
        ([0], 0, "at least one batch"),
        ([0] * 11, None, "a sequence of 11 batches is too long"),
    ]
    for sequence, count, message in cases:
        with pytest.raises(mf.ModflowError, match=message):
            BatchSchedule.of(sequence, count)
    with pytest.raises(mf.ModflowError, match="needs its sequence"):
        BatchSchedule("listed", 3)
    with pytest.raises(mf.ModflowError, match="not a cyclic one"):
        BatchSchedule("cyclic", 3, sequence=(0, 1))
    with pytest.raises(mf.UnknownNameError, match="did you mean 'once'"):
        BatchSchedule("onec", 3)


# -- Theorem 5.1 ----------------------------------------------------------------------------------


def drawn(kind, count, seed, steps):
    if kind == "listed":
        given = np.random.default_rng(seed).integers(count, size=steps // 2)
        return BatchSchedule.of(given, count).first(steps)
    return BatchSchedule(kind, count, seed).first(steps)


def printed_weights(batches, count, beta, *, decay=0, factor=2, first=0):
    """The losses' weights in (10) at the last step, one term after the other.

    With G_r = Σ_{s≤r} β^(r-s) E_(j(s)), those of E_i in G_k, and those of ⟨∇E_i, ∇E_l⟩ in
    ‖∇G_k‖² + 2 Σ_{r<k} β^(k-r) ‖∇G_r‖². The rest is for misprints.
    """

    def G(r):
        a = np.zeros(count)
        for s in range(r + 1):
            a[batches[s]] += beta ** (r - s)
        return a

    k = len(batches) - 1
    R = np.outer(G(k), G(k))
    for r in range(first, k):
        R += factor * beta ** (k - r + decay) * np.outer(G(r), G(r))
    return G(k), R


@jax.jit
def advance(flow, state, j):
    return flow.advance(state, j)


def found_weights(flow, batches):
    state = flow.start(batches[0])
    for j in batches:
        state, weights = advance(flow, state, j)
    return weights


def off(found, expected, beta):
    """How far the weights are off, in what rounding may do to them.

    All terms have one sign. A step rounds them some ten times, and the errors of the steps before
    fade like powers of β: together less than 10 eps / (1-β) of the largest weight.
    """
    # F_k = -∇Ê_k has -(h/4) ∇⟨∇E_i, ∇E_l⟩, which is -(h/2) ∇²E_i ∇E_l and the same with i and l
    # exchanged; f_i'f_l = ∇²E_i ∇E_l, and R is symmetric.
    forces, products = expected[0], -expected[1] / 2
    worst = 0.0
    for got, want in zip(found, (forces, products), strict=True):
        bound = 10 * EPS / (1 - beta) * np.abs(want).max()
        worst = max(worst, np.abs(np.asarray(got) - want).max() / bound)
    return worst


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("kind", [*SAMPLINGS, "listed"])
def test_weights_are_those_of_theorem_5_1(kind):
    rng = np.random.default_rng(len(kind))
    for seed in range(3):
        count, steps, beta = (3, 5, 5)[seed], int(rng.integers(5, 60)), rng.uniform(0, 0.95)
        batches = drawn(kind, count, seed, steps)
        flow = BatchFlow(HeavyBall(beta), [jnp.sum] * count, 2)
        found = found_weights(flow, batches)
        assert off(found, printed_weights(batches, count, beta), beta) < 1


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("kind", [*SAMPLINGS, "listed"])
def test_misprints_of_theorem_5_1_are_seen(kind):
    count, beta = 5, 0.8
    batches = drawn(kind, count, 5, 30)
    found = found_weights(BatchFlow(HeavyBall(beta), [jnp.sum] * count, 2), batches)
    assert off(found, printed_weights(batches, count, beta), beta) < 1
    for wrong in (
        printed_weights(batches, count, beta, factor=1),
        printed_weights(batches, count, beta, factor=-2),
        printed_weights(batches, count, beta, decay=1),
        printed_weights(batches, count, beta, first=1),
        printed_weights(batches[:-1], count, beta),
        printed_weights(batches[1:], count, beta),
        printed_weights(batches, count, beta / 2),
        printed_weights([*batches[:-1], (batches[-1] + 1) % count], count, beta),
    ):
        assert off(found, wrong, beta) > 1e6


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("kind", [*SAMPLINGS, "listed"])
def test_the_field_is_the_gradient_of_the_printed_loss(kind):
    """Ê_k of (10) as a function of x, for quadratic E_j; its gradient by central differences,
    which are exact for a quadratic but for rounding."""
    rng = np.random.default_rng(8)
    count, n, beta, h = 3, 4, 0.7, 0.05
    A = rng.normal(size=(count, n, n))
    A, c = A + np.swapaxes(A, 1, 2), rng.normal(size=(count, n))
    batches = drawn(kind, count, 2, 12)
    k = len(batches) - 1

    def gradient_of_G(r, x):
        return sum(beta ** (r - s) * A[batches[s]] @ (x - c[batches[s]]) for s in range(r + 1))

    def printed(x):
        G = sum(
            beta ** (k - s) * 0.5 * (x - c[batches[s]]) @ A[batches[s]] @ (x - c[batches[s]])
            for s in range(k + 1)
        )
        norms = [gradient_of_G(r, x) @ gradient_of_G(r, x) for r in range(k + 1)]
        past = sum(beta ** (k - r) * norms[r] for r in range(k))
        return G + h / 4 * (norms[k] + 2 * past)

    x = rng.normal(size=n)
    slopes = np.array([(printed(x + e) - printed(x - e)) / 2 for e in np.eye(n)])
    data = (jnp.asarray(A), jnp.asarray(c))
    flow = BatchFlow(
        HeavyBall(beta), lambda y, own: 0.5 * (y - own[1]) @ own[0] @ (y - own[1]), 2, data=data
    )
    found = np.asarray(flow(found_weights(flow, batches), jnp.asarray(x), h))
    # Sums of some hundred terms no larger than Ê_k around x.
    size = max(abs(printed(x + e)) for e in np.eye(n))
    np.testing.assert_allclose(found, -slopes, rtol=0, atol=1000 * EPS * size)
    assert np.abs(found + slopes).max() < 1e-10 * np.abs(slopes).max()


# -- one program ----------------------------------------------------------------------------------


def counted():
    """A problem of four batches, and how often its loss has been traced."""
    rng = np.random.default_rng(7)
    data = (rng.normal(size=(4, 6, 3)), rng.normal(size=(4, 6)))
    traced = []

    def loss(x, data):
        rows, target = data
        traced.append(0)
        return 0.5 * jnp.mean(jnp.log1p((rows @ x - target) ** 2))

    return Problem(loss, start=np.array([1.0, -0.5, 0.7]), data=data), traced


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    "methods",
    [
        [HeavyBall(beta) for beta in (0.5, 0.9, Fraction(1, 3))],
        [DampedHeavyBall(0.5, 0.2), DampedHeavyBall(0.9, 0.7)],
        [LinearTwoStep(0.5, 1.5, -0.5), LinearTwoStep(0.4, 1.4, -0.4)],
        [Composition((HeavyBall(b), GradientDescent())) for b in (0.5, 0.6)],
    ],
    ids=lambda methods: methods[0].label,
)
def test_one_program_serves_all_momenta_and_sequences(methods):
    problem, traced = counted()
    schedules = [
        BatchSchedule("cyclic", 4),
        *(BatchSchedule("once", 4, seed) for seed in range(3)),
        BatchSchedule.of([0, 3, 3]),
        BatchSchedule.of(range(4)),
    ]
    compare_batches(methods[0], problem, 2, schedules[0], 0.1, 5)
    before, errors = len(traced), set()
    assert before > 0
    for method in methods:
        for schedule in schedules:
            for h, steps, substeps in ((0.1, 5, 1), (0.05, 9, 2)):
                run = compare_batches(method, problem, 2, schedule, h, steps, substeps=substeps)
                errors.add(run.error)
    assert len(traced) == before
    # Of the 12 runs of a method, those of cyclic and of 0, 1, 2, 3 are the same; no others.
    assert len(errors) >= 8 * len(methods)


@pytest.mark.usefixtures("double")
def test_one_field_serves_all_momenta():
    problem, traced = counted()
    x, values = jnp.ones(3), []
    for beta in (0.5, 0.6, 0.7):
        flow = BatchFlow(HeavyBall(beta), problem, 2)
        values.append(flow(found_weights(flow, [0, 2]), x, 0.1))
        once = len(traced)
        flow = BatchFlow(HeavyBall(beta / 2), problem, 2)
        flow(found_weights(flow, [0, 2]), x, 0.1)
        assert len(traced) == once
    assert len({float(v[0]) for v in values}) == 3


@pytest.mark.usefixtures("double")
def test_a_flow_is_an_argument_of_programs():
    """Its parameters can be traced, and batched: three momenta at once."""
    problem, _ = counted()
    flows = [BatchFlow(HeavyBall(beta), problem, 2) for beta in (0.5, 0.6, 0.7)]
    leaves, structure = jax.tree.flatten(flows[0])
    assert 0.5 in leaves
    assert {jax.tree.structure(flow) for flow in flows} == {structure}
    assert jax.tree.structure(BatchFlow(HeavyBall(0.5), problem, 1)) != structure
    assert jax.tree.structure(BatchFlow(Nesterov(0.5), problem, 2)) != structure
    assert jax.tree.structure(BatchFlow(HeavyBall(0), problem, 2)) != structure

    def weights(flow):
        state, _ = flow.advance(flow.start(1), jnp.asarray(1))
        return flow.advance(state, jnp.asarray(3))[1]

    def of(beta):
        return weights(jax.tree.unflatten(structure, [beta, *leaves[1:]]))

    together = jax.vmap(of)(jnp.array([0.5, 0.6, 0.7]))
    for i, flow in enumerate(flows):
        for found, expected in zip(together, weights(flow), strict=True):
            np.testing.assert_allclose(found[i], expected, rtol=1e-14)
    # d/dβ of the weight β of the batch before.
    slope = jax.jacobian(lambda beta: of(beta)[0])(0.5)
    np.testing.assert_allclose(slope, [0, 1, 0, 0], atol=1e-15)


@dataclass(frozen=True)
class Switching(HeavyBall):
    """The heavy ball, but gradient descent at β = 1/2."""

    def step(self, f, h, x, memory):
        v = h * f(x) if self.beta == Fraction(1, 2) else self.beta * memory + h * f(x)
        return x + v, v


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("method", "same"), [(Switching(0.5), GradientDescent()), (Switching(0.8), HeavyBall(0.8))]
)
def test_rules_that_decide_by_a_parameter_are_compiled_with_it(method, same):
    problem, _ = counted()
    assert places(BatchFlow(method, problem, 2)._pattern) == []
    assert places(BatchFlow(HeavyBall(0.5), problem, 2)._pattern) == ["beta"]
    schedule = BatchSchedule.of([0, 3, 1])
    run = compare_batches(method, problem, 1, schedule, 0.1, 20)
    other = compare_batches(same, problem, 1, schedule, 0.1, 20)
    # The same numbers in another program: a step rounds parameters of size 1 some ten times.
    np.testing.assert_allclose(run.iterate, other.iterate, rtol=0, atol=20 * 10 * EPS)
    np.testing.assert_allclose(run.error, other.error, rtol=0, atol=20 * 10 * EPS)


@pytest.mark.usefixtures("double")
def test_subclasses_keep_what_they_know():
    class Scaled(BatchFlow):
        def __init__(self, *arguments, by):
            super().__init__(*arguments)
            self.by = by

        def field(self, losses, weights, x, h):
            return jax.tree.map(lambda leaf: self.by * leaf, super().field(losses, weights, x, h))

    problem, _ = counted()
    plain = BatchFlow(HeavyBall(0.5), problem, 1)
    one, two = (Scaled(HeavyBall(0.5), problem, 1, by=by) for by in (1.0, 2.0))
    weights, x = found_weights(plain, [0]), jnp.ones(3)
    np.testing.assert_array_equal(one(weights, x, 0.1), plain(weights, x, 0.1))
    np.testing.assert_array_equal(two(weights, x, 0.1), 2 * plain(weights, x, 0.1))
    schedule = BatchSchedule("cyclic", 4)
    errors = [compare_flow(f, x, schedule, 0.1, 5).error for f in (plain, one, two)]
    assert errors[0] == errors[1] < errors[2]


def test_numbers_that_come_later():
    x = NumericSeries.identity(2)
    later = Later(jnp.asarray(3.0))
    assert later * 0 == 0
    assert type(later * 0) is int
    values = {
        "2 + later": 2 + later,
        "later - 1": later - 1,
        "1 - later": 1 - later,
        "later / 2": later / 2,
        "3 / later": 3 / later,
        "later**2": later**2,
        "2**later": 2**later,
        "-later": -later,
        "+later": +later,
        "Fraction(1, 2) * later": Fraction(1, 2) * later,
        "np.float64(2) * later": np.float64(2) * later,
        "later * later": later * later,
    }
    for text, value in values.items():
        assert isinstance(value, Later), text
        assert float(value.value) == eval(text, {"later": 3.0, "Fraction": Fraction, "np": np})
    assert (later * np.ones(2)).tolist() == [3, 3]
    assert (np.ones(2) - later).tolist() == [-2, -2]
    assert float((later * x).empty.value) == 3
    assert (later == 0) is False
    assert (later != 0) is True
    for decide in (
        lambda: bool(later),
        lambda: later > 1,
        lambda: later <= 1,
        lambda: later == 3,
        lambda: abs(later),
        lambda: float(later),
        lambda: hash(later),
        lambda: np.sqrt(later),
        lambda: later + "a",
    ):
        with pytest.raises(TypeError):
            decide()


# -- the step of the flow -------------------------------------------------------------------------


def stiff(y):
    return {"a": jnp.sin(3 * y["a"]) - y["b"][0], "b": jnp.cos(y["b"]) * jnp.sum(y["a"])}


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("solver", [diffrax.Tsit5(), diffrax.Dopri5(), diffrax.Dopri8()], ids=repr)
def test_stages_are_those_of_diffrax(solver):
    y, dt = {"a": jnp.array([0.3, -1.0]), "b": jnp.array([0.2])}, jnp.asarray(0.1)
    term = diffrax.ODETerm(lambda t, y, args: stiff(y))
    start = solver.init(term, 0.0, dt, y, None)
    point, error, _, (_, end), _ = solver.step(term, 0.0, dt, y, None, start, made_jump=True)
    stages = Stages.of(solver)
    nothing = jax.tree.map(jnp.zeros_like, y)

    @jax.jit
    def step(slope, known, closed):
        return stages.step(stiff, y, slope, dt, known=known, closed=closed)

    for known in (False, True):
        for closed in (False, True):
            found = step(stiff(y) if known else nothing, known, closed)
            left = nothing if closed else stages.rest(stiff(found[0]), dt)
            rest = jax.tree.map(jnp.add, found[2], left)
            for got, want in ((found[0], point), (rest, error)):
                for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
                    # Sums of fourteen slopes of size 3, weighted by up to 15 in Dopri8.
                    np.testing.assert_allclose(a, b, rtol=0, atol=100 * EPS)
            if closed:
                jax.tree.map(
                    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-14), found[1], end
                )
            else:
                assert all(not np.any(leaf) for leaf in jax.tree.leaves(found[1]))


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("substeps", [1, 3])
def test_a_run_is_what_the_parts_say(substeps):
    """Step by step with `advance`, the field, and diffrax's own step of it."""
    problem, _ = counted()
    method, h, schedule = Nesterov(0.6), 0.2, BatchSchedule("independent", 4, seed=9)
    run = compare_batches(method, problem, 2, schedule, h, 7, substeps=substeps)
    flow, solver, dt = BatchFlow(method, problem, 2), diffrax.Tsit5(), h / substeps
    term = diffrax.ODETerm(lambda t, y, weights: flow(weights, y, h))

    @jax.jit
    def step(y, weights):
        begun = solver.init(term, 0.0, dt, y, weights)
        return solver.step(term, 0.0, dt, y, weights, begun, made_jump=True)[:2]

    y, embedded, state = jnp.asarray(problem.start), 0.0, flow.start(schedule(0))
    for k in range(7):
        state, weights = advance(flow, state, schedule(k))
        for _ in range(substeps):
            y, error = step(y, weights)
            embedded += float(jnp.linalg.norm(error))
    # Rounding: some hundred operations on numbers of size 1.
    np.testing.assert_allclose(run.flow, y, rtol=0, atol=100 * EPS)
    np.testing.assert_allclose(run.embedded_error, embedded, rtol=0, atol=100 * EPS)
    assert embedded > 1e4 * EPS


# -- the command line -----------------------------------------------------------------------------


SWEEP = ("sweep", "--problem", "digits-logistic", "--order", "1", "--beta", "0.5", "--T", "0.5")
GRID = ("--h", "2^-4:2^-6", "--json", "--batches", "3")


def test_sweeps_with_a_sequence(run, tmp_path):
    path = tmp_path / "order"
    path.write_text("0\n2\n1\n1\n")
    documents = []
    for given in ("0,2,1,1", f"@{path}"):
        status, out, err = run(*SWEEP, *GRID, "--sequence", given)
        assert status in (0, 3)
        assert err == ""
        documents.append(json.loads(out))
    assert documents[0] == documents[1]
    assert documents[0]["batches"] == {
        "kind": "listed",
        "count": 3,
        "seed": 0,
        "sequence": [0, 2, 1, 1],
    }
    problem = mf.problems.problem_named("digits-logistic").split(3)
    with jax.enable_x64(True):
        for h, error in zip(documents[0]["step_sizes"], documents[0]["errors"], strict=True):
            other = compare_batches(
                HeavyBall(0.5), problem, 1, BatchSchedule.of([0, 2, 1, 1]), h, round(0.5 / h)
            )
            np.testing.assert_allclose(error, other.error, rtol=1e-3)


def test_sweeps_with_one_permutation(run):
    status, out, _ = run(*SWEEP, *GRID, "--sampling", "once", "--seed", "4")
    assert status in (0, 3)
    document = json.loads(out)
    assert document["batches"] == {"kind": "once", "count": 3, "seed": 4}
    order = ",".join(str(j) for j in BatchSchedule("once", 3, 4).first(3))
    listed = json.loads(run(*SWEEP, *GRID, "--sequence", order)[1])
    assert listed["errors"] == document["errors"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("--batches 3 --sequence 0,3", "there is no batch 3: they are numbered 0 to 2"),
        ("--batches 3 --sequence 0,1.5", "--sequence: '1.5' is no batch"),
        ("--batches 3 --sequence -1", "--sequence: '-1' is no batch"),
        ("--batches 3 --sequence @", "names no file"),
        ("--batches 3 --sequence @none", "cannot read none: No such file or directory"),
        ("--batches 3 --sequence 0,1 --sampling once", "exclude each other"),
        ("--batches 3 --sampling onec", "did you mean 'once'"),
        ("--batches 3 --sampling listed", "needs its sequence"),
        ("--sequence 0,1", "give their number with --batches"),
        ("--sampling once", "give their number with --batches"),
    ],
)
def test_sweeps_that_are_refused(run, tmp_path, monkeypatch, arguments, why):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*SWEEP, *arguments.split())
    assert (status, out) == (2, "")
    assert err.startswith("modflow: error: ")
    assert err.count("\n") == 1
    assert why in err


@pytest.mark.parametrize(
    "schedule",
    [BatchSchedule("once", 4, seed=2), BatchSchedule.of([0, 2, 1, 1, 3])],
    ids=lambda schedule: schedule.kind,
)
def test_the_flow_has_order_two(schedule):
    problem, _ = counted()
    sizes = [2.0**-j for j in range(4, 10)]
    study = mf.convergence_study(HeavyBall(0.5), problem, 2, sizes, 1.0, batches=schedule)
    assert study.verdict == "pass", study.reason
