"""Trees against brute force on labelled vertices, published counts, and another generator."""

from __future__ import annotations

import copy
import pickle
import random
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import pairwise, permutations, product
from math import factorial

import pytest

from modflow.errors import ModflowError
from modflow.series.trees import Tree, free_trees, trees, trees_up_to

SMALL = list(trees_up_to(6))
COLOURED = [t for t in trees_up_to(4, colours=2) if any(t.colours)]


# -- the independent side: a tree as a list of parents, and permutations of its vertices --


def parents(levels):
    """The parent of each vertex, None at the root: the last vertex one level up."""
    return [
        next((j for j in reversed(range(i)) if levels[j] == level - 1), None)
        for i, level in enumerate(levels)
    ]


def rebuild(adjacent, colours, root, above=None):
    """The `Tree` with this vertex as root, from an adjacency list."""
    below = [v for v in adjacent[root] if v != above]
    return Tree([rebuild(adjacent, colours, v, root) for v in below], colours[root])


def adjacency(up, keep=None):
    keep = set(range(len(up))) if keep is None else keep
    found = {v: [] for v in keep}
    for v in keep:
        if up[v] is not None and up[v] in keep:
            found[v].append(up[v])
            found[up[v]].append(v)
    return found


def automorphisms(tree, *, rooted):
    up, colours = parents(tree.level_sequence), tree.colours
    edges = {(v, p) for v, p in enumerate(up) if p is not None}
    if not rooted:
        edges |= {(p, v) for v, p in edges}
    return sum(
        all(colours[v] == colours[image[v]] for v in range(len(up)))
        and {(image[v], image[p]) for v, p in edges} == edges
        for image in permutations(range(len(up)))
    )


def beyer_hedetniemi(n):
    """Canonical level sequences, from the largest down.

    Beyer & Hedetniemi, Constant time generation of rooted trees, SIAM J. Comput. 9 (1980).
    """
    levels = list(range(1, n + 1))
    while True:
        yield tuple(levels)
        p = max((i for i in range(n) if levels[i] > 2), default=None)
        if p is None:
            return
        q = max(i for i in range(p) if levels[i] == levels[p] - 1)
        for i in range(p, n):
            levels[i] = levels[i - (p - q)]


def euler_transform(order, colours):
    """Numbers of rooted trees by x·exp(Σ r(x^k)/k): the recursion of OEIS A000081."""
    r = [0, colours]
    for n in range(1, order):
        total = sum(
            sum(d * r[d] for d in range(1, j + 1) if j % d == 0) * r[n - j + 1]
            for j in range(1, n + 1)
        )
        r.append(total // n)
    return r[1:]


# -- counts -------------------------------------------------------------------------------


def test_counts_of_rooted_trees_are_oeis_a000081():
    assert [len(trees(n)) for n in range(1, 11)] == [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]


def test_counts_of_free_trees_are_oeis_a000055():
    assert [len(free_trees(n)) for n in range(1, 10)] == [1, 1, 1, 2, 3, 6, 11, 23, 47]


def test_counts_of_two_coloured_trees_are_oeis_a038055():
    # Twice A000151, where the root has one colour.
    assert [len(trees(n, 2)) for n in range(1, 7)] == [2, 4, 14, 52, 214, 916]


@pytest.mark.parametrize(("colours", "order"), [(1, 10), (2, 6), (3, 5), (4, 4)])
def test_counts_follow_the_euler_transform(colours, order):
    counts = [len(trees(n, colours)) for n in range(1, order + 1)]
    assert counts == euler_transform(order, colours)
    assert all(len(set(trees(n, colours))) == c for n, c in enumerate(counts, 1))


@pytest.mark.parametrize("n", range(1, 10))
def test_the_trees_are_those_of_beyer_and_hedetniemi(n):
    assert [t.level_sequence for t in trees(n)] == sorted(beyer_hedetniemi(n))


def test_trees_come_in_ascending_order():
    for found in (list(trees_up_to(6)), list(trees_up_to(4, 2))):
        assert all(a < b and not b < a for a, b in pairwise(found))


# -- symmetry and density -----------------------------------------------------------------


@pytest.mark.parametrize("tree", SMALL + COLOURED, ids=repr)
def test_symmetry_counts_automorphisms(tree):
    assert tree.symmetry == automorphisms(tree, rooted=True)
    assert tree.free_symmetry == automorphisms(tree, rooted=False)


@pytest.mark.parametrize("tree", SMALL, ids=repr)
def test_density_counts_heap_orderings(tree):
    # Hook length formula: n!/γ labellings that increase away from the root.
    up = parents(tree.level_sequence)
    heaps = sum(
        all(up[v] is None or label[up[v]] < label[v] for v in range(len(up)))
        for label in permutations(range(len(up)))
    )
    assert heaps * tree.density == factorial(tree.order)


@pytest.mark.parametrize("n", range(1, 10))
def test_sums_over_all_trees_of_one_order(n):
    # α = n!/(σγ) counts increasing trees, (n-1)! in all; n!/σ counts rooted labelled
    # trees, n^(n-1) in all (Cayley).
    assert sum(factorial(n) // (t.symmetry * t.density) for t in trees(n)) == factorial(n - 1)
    assert sum(factorial(n) // t.symmetry for t in trees(n)) == n ** (n - 1)


@pytest.mark.parametrize("n", range(1, 9))
def test_labelled_free_trees_number_n_to_the_n_minus_2(n):
    # Cayley's formula, unrooted: Σ n!/|Aut| = n^(n-2).
    total = sum(factorial(n) // rootings[0].free_symmetry for rootings in free_trees(n))
    assert total * n * n == n**n


# -- level sequences ----------------------------------------------------------------------


@pytest.mark.parametrize("tree", SMALL, ids=repr)
def test_level_sequence_is_the_largest_and_round_trips(tree):
    def sequences(node):
        for order in set(permutations(node.children)):
            for parts in product(*(list(sequences(child)) for child in order)):
                yield (1, *(level + 1 for part in parts for level in part))

    every = set(sequences(tree))
    assert tree.level_sequence == max(every)
    assert all(Tree.from_level_sequence(levels) is tree for levels in every)


def test_colours_travel_with_their_vertices():
    rng = random.Random(5)
    for tree in trees(5, 2)[::7]:
        up = parents(tree.level_sequence)
        order, left = [0], set(range(1, 5))
        # A random depth-first order of the same vertices.
        while left:
            here = order[-1]
            while not (ready := [v for v in left if up[v] == here]):
                here = up[here]
            order.append(rng.choice(ready))
            left.remove(order[-1])
        levels = [tree.level_sequence[v] for v in order]
        paint = [tree.colours[v] for v in order]
        assert Tree.from_level_sequence(levels, paint) is tree


@pytest.mark.parametrize(
    ("levels", "colours"),
    [
        ([], ()),
        ([2], ()),
        ([0, 1], ()),
        ([1, 1], ()),
        ([1, 3], ()),
        ([1, 2, 1], ()),
        ([1, 2, 4], ()),
        ([1, 2, 0], ()),
        ([1, 2], [0]),
        ([1, 2], [0, 1, 1]),
        ([1, 2], [0, -1]),
        ([1], ["red"]),
    ],
)
def test_what_is_no_level_sequence_is_refused_in_one_line(levels, colours):
    with pytest.raises(ModflowError, match="level sequence|colour") as error:
        Tree.from_level_sequence(levels, colours)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("order", "colours"), [(0, 1), (-3, 1), (3, 0)])
def test_requests_for_no_trees_are_refused(order, colours):
    with pytest.raises(ModflowError, match="whole number from 1|at least one colour"):
        trees(order, colours)


@pytest.mark.parametrize("colour", [-1, 1.5, "red", None])
def test_colours_are_whole_numbers(colour):
    with pytest.raises(ModflowError, match="whole number from 0"):
        Tree((), colour)


# -- surgery ------------------------------------------------------------------------------


@pytest.mark.parametrize("tree", SMALL + COLOURED, ids=repr)
def test_cuts_are_the_subtrees_that_keep_the_root(tree):
    up, colours = parents(tree.level_sequence), tree.colours
    n = len(up)
    expected = Counter()
    for flags in product([False, True], repeat=n - 1):
        kept = {0, *(v for v, flag in zip(range(1, n), flags, strict=True) if flag)}
        if any(up[v] not in kept for v in kept - {0}):
            continue
        fallen = set(range(n)) - kept
        loose = adjacency(up, fallen)
        tops = [v for v in fallen if up[v] in kept]
        forest = Counter(rebuild(loose, colours, v) for v in tops)
        trunk = rebuild(adjacency(up, kept), colours, 0)
        expected[frozenset(forest.items()), trunk] += 1
    found = {(frozenset(Counter(f).items()), trunk): m for m, f, trunk in tree.cuts}
    assert found == expected
    assert len(tree.cuts) == len(found)


@pytest.mark.parametrize("tree", SMALL + COLOURED, ids=repr)
def test_edge_cuts_take_each_edge_once(tree):
    up, colours = parents(tree.level_sequence), tree.colours
    expected = Counter()
    for v in range(1, len(up)):
        split = adjacency(up)
        split[v].remove(up[v])
        split[up[v]].remove(v)
        expected[rebuild(split, colours, 0), rebuild(split, colours, v)] += 1
    assert Counter({(trunk, branch): m for m, trunk, branch in tree.edge_cuts}) == expected
    assert sum(m for m, _, _ in tree.edge_cuts) == tree.order - 1


@pytest.mark.parametrize("tree", SMALL + COLOURED, ids=repr)
def test_rootings_are_the_trees_hung_up_at_each_vertex(tree):
    joined = adjacency(parents(tree.level_sequence))
    hung = Counter(rebuild(joined, tree.colours, v) for v in range(tree.order))
    assert tree.rootings == tuple(sorted(hung))
    # Orbit and stabilizer: a rooting is met by |Aut|/σ of the vertices.
    assert all(tree.free_symmetry == met * t.symmetry for t, met in hung.items())


def test_graft_is_the_butcher_product():
    chain = Tree([Tree()])
    assert chain.graft(Tree()) is Tree.from_level_sequence([1, 2, 2])
    assert Tree().graft(chain) is Tree.from_level_sequence([1, 2, 3])
    assert Tree((), 1).graft(Tree()).colours == (1, 0)


# -- identity -----------------------------------------------------------------------------


@pytest.mark.parametrize("tree", SMALL[-6:] + COLOURED[-6:], ids=repr)
def test_equal_trees_are_one_object(tree):
    assert pickle.loads(pickle.dumps(tree)) is tree
    assert copy.deepcopy(tree) is tree
    assert copy.copy(tree) is tree
    assert Tree(reversed(tree.children), tree.colour) is tree


# -- drawings and notation ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "lines"),
    [
        ([1], ["●"]),
        ([1, 2, 3], ["●", "│", "●", "│", "●"]),
        ([1, 2, 2], ["● ●", "└┬┘", " ●"]),
        ([1, 2, 2, 2], ["● ● ●", "└─┼─┘", "  ●"]),
        ([1, 2, 3, 3], ["● ●", "└┬┘", " ●", " │", " ●"]),
        ([1, 2, 2, 2, 2], ["● ● ● ●", "└─┴┬┴─┘", "   ●"]),
    ],
)
def test_pictures(levels, lines):
    assert Tree.from_level_sequence(levels).picture.splitlines() == lines


@pytest.mark.parametrize("tree", SMALL + COLOURED, ids=repr)
def test_pictures_show_every_vertex_and_every_level(tree):
    lines = tree.picture.splitlines()
    for colour, mark in enumerate("●1"):
        assert tree.picture.count(mark) == tree.colours.count(colour)
    assert len(lines) == 2 * max(tree.level_sequence) - 1
    # The root's line, the last, shows one vertex; so does each vertex's level.
    for level in range(1, max(tree.level_sequence) + 1):
        line = lines[-(2 * level - 1)]
        assert line.count("●") + line.count("1") == tree.level_sequence.count(level)


@pytest.mark.parametrize("tree", SMALL + COLOURED, ids=repr)
def test_svg_is_well_formed_and_has_one_dot_a_vertex(tree):
    svg = ET.fromstring(tree._repr_svg_())
    name = "{http://www.w3.org/2000/svg}"
    dots, lines = svg.findall(f"{name}circle"), svg.findall(f"{name}line")
    assert (len(dots), len(lines)) == (tree.order, tree.order - 1)
    places = {(float(d.get("cx")), float(d.get("cy"))) for d in dots}
    assert len(places) == tree.order
    assert all(0 < x < float(svg.get("width")) for x, _ in places)
    assert all(0 < y < float(svg.get("height")) for _, y in places)
    ends = {(float(s.get(f"x{i}")), float(s.get(f"y{i}"))) for s in lines for i in "12"}
    assert ends <= places


@pytest.mark.parametrize(
    ("levels", "colours", "bracket", "differential"),
    [
        ([1], (), "•", "f"),
        ([1, 2], (), "[•]", "f'f"),
        ([1, 2, 2], (), "[•,•]", "f''(f,f)"),
        ([1, 2, 3], (), "[[•]]", "f'f'f"),
        ([1, 2, 3, 2], (), "[[•],•]", "f''(f'f,f)"),
        ([1, 2, 2, 2, 2], (), "[•,•,•,•]", "f^{(4)}(f,f,f,f)"),
        ([1, 2], (1, 0), "[•]1", "f_{1}'f_{0}"),
    ],
)
def test_notations(levels, colours, bracket, differential):
    tree = Tree.from_level_sequence(levels, colours)
    assert (tree.bracket, tree.differential()) == (bracket, differential)
    assert tree._repr_latex_() == f"${differential}$"


def test_repr_evaluates_to_the_tree():
    for tree in [*trees(5), *trees(3, 2)]:
        paint = list(tree.colours) if any(tree.colours) else []
        assert Tree.from_level_sequence(list(tree.level_sequence), paint) is tree
        assert repr(list(tree.level_sequence)) in repr(tree)


def test_levels_are_no_children():
    # The notation of repr, taken for a constructor call.
    with pytest.raises(ModflowError, match="from_level_sequence"):
        Tree([1, 2])
    with pytest.raises(ModflowError, match="colour"):
        Tree(colour=True)
