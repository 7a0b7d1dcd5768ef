"""Files of images, and sequences of batches: damaged, or of something else."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from modflow import ModflowError
from modflow.batches.sequences import parse_sequence
from modflow.networks.data.idx import read_idx
from modflow.networks.data.pickled import PIXELS, read_batch
from modflow.networks.data.reading import members

from .arguments import texts
from .cases import cases
from .mutations import Change, damaged, damages
from .shell import Shell

IMAGES = b"\0\0\x08\x03" + struct.pack(">3I", 20, 4, 4) + bytes(range(20)) * 16
LABELS = b"\0\0\x08\x01" + struct.pack(">I", 20) + bytes(range(10)) * 2
HEADERS = st.builds(
    lambda code, sizes, more: bytes((0, 0, code, len(sizes))) + b"".join(sizes) + more,
    st.sampled_from([8, 9, 11, 12, 13, 14, 0, 255]),
    st.lists(st.integers(0, 2**32 - 1).map(lambda n: struct.pack(">I", n)), max_size=70),
    st.binary(max_size=20),
)


def refusal(act: Callable[[], object], *named: object) -> None:
    """It is done, or refused in a text that names the file."""
    told = None
    try:
        act()
    except ModflowError as error:
        told = str(error)
    assert told is None or any(str(name) in told for name in named)
    assert "\n" not in (told or "")


@cases("idx")
def test_idx(count: int, explore: Callable[..., None], tmp_path: Path) -> None:
    def check(case: tuple[str, bytes]) -> None:
        name, content = case
        path = tmp_path / name
        path.write_bytes(content)
        refusal(lambda: read_idx(path), path)

    broken = damaged(IMAGES)
    contents = broken | HEADERS | st.binary(max_size=40)
    compressed = contents.map(lambda c: gzip.compress(c, mtime=0))
    cut = damaged(gzip.compress(IMAGES, mtime=0))
    explore(
        count,
        st.tuples(st.just("x"), contents) | st.tuples(st.just("x.gz"), compressed | cut | broken),
        check,
    )


@cases("images")
def test_folders_of_images(count: int, explore: Callable[..., None], shell: Shell) -> None:
    """A training on them is refused, or goes on with what can be read."""

    def check(case: tuple[bool, Change]) -> None:
        of_images, change = case
        folder = shell.new_folder()
        (folder / "data").mkdir()
        for name, sound, hurt in (
            ("train-images-idx3-ubyte", IMAGES, of_images),
            ("train-labels-idx1-ubyte", LABELS, not of_images),
        ):
            (folder / "data" / name).write_bytes(change(sound) if hurt else sound)
        shell(
            *("train", "--json", "--data", "mnist", "--data-dir", "data", "--train", "10"),
            *("--test", "5", "--width", "4", "--depth", "1", "--steps", "1", "--jobs", "1"),
            writes=["runs"],
        )

    explore(count, st.tuples(st.booleans(), damages()), check)


@cases("archives")
def test_archives(count: int, explore: Callable[..., None], tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("a/one", "a/two"):
            entry = tarfile.TarInfo(name)
            entry.size = 600
            archive.addfile(entry, io.BytesIO(b"x" * 600))
    plain = file.getvalue()

    def check(case: tuple[bool, Change]) -> None:
        inside, change = case
        path = tmp_path / "x.tar.gz"
        whole = gzip.compress(change(plain) if inside else plain, mtime=0)
        path.write_bytes(whole if inside else change(whole))
        refusal(lambda: members(path, ["a/one", "a/two"]), path)

    explore(count, st.tuples(st.booleans(), damages()), check)


@cases("pickles")
def test_pickles(count: int, explore: Callable[..., None]) -> None:
    pixels = np.zeros((2, PIXELS), np.uint8)
    sound = [pickle.dumps({b"data": pixels, b"labels": [0, 1]}, protocol) for protocol in (0, 2, 4)]

    def check(case: tuple[int, Change] | bytes) -> None:
        content = case if isinstance(case, bytes) else case[1](sound[case[0]])
        refusal(lambda: read_batch(content, "labels", "the batch"), "the batch")

    strange = st.sampled_from([None, [], {}, {b"data": 1}, print, {b"data": pixels}, 10**50])
    explore(
        count,
        st.tuples(st.integers(0, 2), damages())
        | st.binary(max_size=30)
        | st.builds(pickle.dumps, strange, st.integers(0, 5)),
        check,
    )


@cases("sequences")
def test_sequences(count: int, explore: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "x"

    def check(case: tuple[str, bytes]) -> None:
        text, content = case
        path.write_bytes(content)
        refusal(lambda: parse_sequence(text), "--sequence")
        refusal(lambda: parse_sequence(f"@{path}"), path)

    lists = st.lists(st.integers(0, 3).map(str) | texts).map(",".join)
    broken = damaged(b"0,1,2\n2,1,0,\n\n1\n")
    contents = lists.map(lambda text: text.encode(errors="surrogateescape"))
    explore(count, st.tuples(lists, broken | contents), check)
