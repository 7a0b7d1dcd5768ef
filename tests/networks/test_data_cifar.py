"""CIFAR: small files in its two forms, unpacked and in archives, and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modflow import ModflowError
from modflow.networks.data import cifar, load_data, pickled

NAMES = ("cifar-10", "cifar-100")
FORMS = [(name, form) for name in NAMES for form in cifar.LAYOUTS[name].forms]
IDS = [form.folder for _, form in FORMS]
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (14, 3, 32, 32), dtype=np.uint8)
"""10 to train on and 4 to test on; planes first, as the files have them."""
LABELS = {"cifar-10": RANDOM.integers(0, 10, 14), "cifar-100": RANDOM.integers(0, 100, 14)}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        layout = replace(cifar.LAYOUTS[name], train=10, test=4)
        monkeypatch.setitem(cifar.LAYOUTS, name, layout)


def binary(name: str, part: slice) -> bytes:
    coarse = [] if name == "cifar-10" else [np.full(14, 7)[part]]
    columns = [*coarse, LABELS[name][part], *IMAGES.reshape(14, -1)[part].T]
    return np.column_stack(columns).astype(np.uint8).tobytes()


def dictionary(name: str, part: slice) -> dict[bytes, Any]:
    labels = [int(x) for x in LABELS[name][part]]
    found: dict[bytes, Any] = {b"data": IMAGES.reshape(14, -1)[part], b"batch_label": b"of 5"}
    if name == "cifar-10":
        return found | {b"labels": labels, b"filenames": [b"a.png"] * len(labels)}
    return found | {b"fine_labels": labels, b"coarse_labels": [7] * len(labels)}


def contents(name: str, form: cifar.Form) -> dict[str, bytes]:
    each = 10 // len(form.train)
    parts = {file: slice(i * each, (i + 1) * each) for i, file in enumerate(form.train)}
    parts[form.test] = slice(10, 14)
    if form.binary:
        return {file: binary(name, part) for file, part in parts.items()}
    return {file: pickle.dumps(dictionary(name, part), 2) for file, part in parts.items()}


def unpacked(folder: Path, form: cifar.Form, files: dict[str, bytes]) -> None:
    (folder / form.folder).mkdir()
    for file, data in files.items():
        (folder / form.folder / file).write_bytes(data)


def archived(folder: Path, form: cifar.Form, files: dict[str, bytes]) -> None:
    with tarfile.open(folder / form.archive, "w:gz") as archive:
        # In another order than they are read in, and among others.
        for file, data in [("readme.html", b"<p>"), *reversed(files.items())]:
            member = tarfile.TarInfo(f"{form.folder}/{file}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def refusal(name: str, folder: Path) -> str:
    with pytest.raises(ModflowError) as raised:
        load_data(name, folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("place", [unpacked, archived])
@pytest.mark.parametrize(("name", "form"), FORMS, ids=IDS)
def test_both_forms_have_the_same_images(
    tmp_path: Path, name: str, form: cifar.Form, place: Callable[..., None]
) -> None:
    place(tmp_path, form, contents(name, form))
    found = load_data(name, tmp_path)
    assert found.training == 10
    assert found.classes == int(name.removeprefix("cifar-"))
    np.testing.assert_array_equal(found.images, np.moveaxis(IMAGES, 1, 3))
    np.testing.assert_array_equal(found.labels, LABELS[name])
    assert found.images.flags.c_contiguous
    if place is unpacked:
        inside = load_data(name, tmp_path / form.folder)
        np.testing.assert_array_equal(inside.images, found.images)


def test_a_record_is_a_label_and_planes_of_red_green_and_blue_row_by_row(tmp_path: Path) -> None:
    _, form = FORMS[0]
    red = bytes([10, 11]) + bytes(30) + bytes([12]) + bytes(991)
    green = bytes(1023) + bytes([99])
    blue = bytes([255]) + bytes(1023)
    record = bytes([6]) + red + green + blue
    files = dict.fromkeys(form.train, record * 2) | {form.test: record * 4}
    unpacked(tmp_path, form, files)
    found = load_data("cifar-10", tmp_path)
    assert found.labels.tolist() == [6] * 14
    image = found.images[0]
    assert image[0, 0].tolist() == [10, 0, 255]
    assert image[0, 1].tolist() == [11, 0, 0]
    assert image[1, 0].tolist() == [12, 0, 0]
    assert image[31, 31].tolist() == [0, 99, 0]
    assert image.sum() == 10 + 11 + 12 + 99 + 255


def test_the_sizes_of_the_real_files() -> None:
    for name in NAMES:
        layout = cifar.Layout(classes=1, labels="", label_bytes=1, forms=cifar.LAYOUTS[name].forms)
        assert (layout.train, layout.test) == (50_000, 10_000)
    assert [cifar.LAYOUTS[name].label_bytes + pickled.PIXELS for name in NAMES] == [3073, 3074]


@pytest.mark.parametrize(("name", "form"), FORMS, ids=IDS)
def test_missing_files(tmp_path: Path, name: str, form: cifar.Form) -> None:
    message = refusal(name, tmp_path)
    for expected in (form.archive, str(tmp_path), "--data-dir", "--download"):
        assert expected in message
    files = contents(name, form)
    del files[form.test]
    archived(tmp_path, form, files)
    message = refusal(name, tmp_path)
    assert f"{tmp_path / form.archive} has no file {form.folder}/{form.test} in it" in message
    unpacked(tmp_path, form, files)
    message = refusal(name, tmp_path)
    assert f"cannot read {tmp_path / form.folder / form.test}: No such file" in message


@pytest.mark.parametrize(("name", "form"), FORMS[::2], ids=IDS[::2])
@pytest.mark.parametrize("place", [unpacked, archived])
def test_sizes_are_checked(
    tmp_path: Path, name: str, form: cifar.Form, place: Callable[..., None]
) -> None:
    record = 3073 if name == "cifar-10" else 3074
    files = contents(name, form)
    # Also a file that ends between two images.
    files[form.test] = files[form.test][:-record]
    place(tmp_path, form, files)
    message = refusal(name, tmp_path)
    assert f"{form.folder}/{form.test} has {3 * record} bytes" in message
    assert f"4 images of {record} bytes each have {4 * record}" in message


def test_labels_that_are_no_class(tmp_path: Path) -> None:
    name, form = FORMS[0]
    files = contents(name, form)
    files[form.test] = bytes([10]) + files[form.test][1:]
    unpacked(tmp_path, form, files)
    assert f"{form.test} has the label 10; classes are 0 to 9" in refusal(name, tmp_path)


def test_damaged_archives(tmp_path: Path) -> None:
    name, form = FORMS[0]
    archived(tmp_path, form, contents(name, form))
    path = tmp_path / form.archive
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x10
    for data in (
        whole[: len(whole) // 2],
        whole[:-4],
        bytes(flipped),
        # Nothing but the checksum of the whole is wrong.
        whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],
        b"",
        b"<html>404</html>",
        gzip.compress(b"no archive" * 100),
        gzip.compress(gzip.decompress(whole)[:20_000]),
    ):
        path.write_bytes(data)
        message = refusal(name, tmp_path)
        assert str(path) in message
        assert "fetch it anew" in message


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    name, form = FORMS[0]
    with tarfile.open(tmp_path / form.archive, "w:gz") as archive:
        for file in (*form.train, form.test):
            member = tarfile.TarInfo(f"{form.folder}/{file}")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    assert "has no file" in refusal(name, tmp_path)


class Command:
    """What a pickle can hold: a call of anything."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call = call, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_a_command_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    name, form = FORMS[1]
    mark = tmp_path / "it ran"
    for call in (
        Command(os.system, f"touch '{mark}'"),
        Command(open, str(mark), "w"),
        Command(eval, f"open({str(mark)!r}, 'w')"),
        Command(getattr, os, "system"),
    ):
        files = contents(name, form)
        whole = dictionary(name, slice(0, 2)) | {b"more": call}
        try:
            files[form.train[0]] = pickle.dumps(whole, protocol)
        except TypeError:  # a module cannot be pickled
            continue
        (tmp_path / form.folder).mkdir(exist_ok=True)
        for file, data in files.items():
            (tmp_path / form.folder / file).write_bytes(data)
        message = refusal(name, tmp_path)
        assert f"{form.folder}/{form.train[0]} is refused: its pickle asks for " in message
        assert not mark.exists()


def as_python_2_wrote_it(pixels: np.ndarray) -> bytes:
    """Opcode for opcode: strings of bytes, and NumPy's old names."""
    state = b"".join(
        [
            b"(K\x01",  # version 1
            b"K" + bytes([len(pixels)]) + b"M\x00\x0c\x86",  # shape (n, 3072)
            b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89",  # not in Fortran's order
            b"T" + pixels.size.to_bytes(4, "little") + pixels.tobytes(),
            b"tb",
        ]
    )
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR" + state
    labels = b"](" + b"".join(b"K" + bytes([i]) for i in range(len(pixels))) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + labels + b"u."


def test_pickles_of_python_2() -> None:
    pixels = IMAGES.reshape(14, -1)
    found, labels = pickled.read_batch(as_python_2_wrote_it(pixels), "labels", "a file")
    np.testing.assert_array_equal(found, pixels)
    assert labels.tolist() == list(range(14))


GOOD = dictionary("cifar-10", slice(0, 2))


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        ([1, 2], "is no batch of CIFAR: it needs an array 'data' and whole numbers 'labels'"),
        ({}, "is no batch of CIFAR"),
        (GOOD | {b"data": b"bytes"}, "is no batch of CIFAR"),
        (GOOD | {b"labels": None}, "is no batch of CIFAR"),
        (GOOD | {b"labels": [0.5, 1]}, "is no batch of CIFAR"),
        (GOOD | {b"labels": [[1], [2]]}, "is no batch of CIFAR"),
        (GOOD | {b"data": GOOD[b"data"][:, 1:]}, "has uint8 of shape (2, 3071) as its data"),
        (GOOD | {b"data": GOOD[b"data"][0]}, "has uint8 of shape (3072,) as its data"),
        (GOOD | {b"data": GOOD[b"data"] * 1.0}, "is truncated or damaged (UnpicklingError)"),
        (GOOD | {b"data": GOOD[b"data"].astype(object)}, "is truncated or damaged"),
    ],
)
def test_pickles_that_are_no_batch(batch: Any, why: str) -> None:
    with pytest.raises(ModflowError) as raised:
        pickled.read_batch(pickle.dumps(batch, 2), "labels", "a file")
    assert str(raised.value).startswith(f"a file {why}")


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([1], "has 2 images and 1 labels; it must have 2 of each"),
        ([1, 10], "has the label 10; classes are 0 to 9"),
        ([1, -1], "has the label -1; classes are 0 to 9"),
        ([1, 2**70], "must be whole numbers in one row"),
    ],
)
def test_labels_in_a_pickle(tmp_path: Path, labels: list[int], why: str) -> None:
    name, form = FORMS[1]
    files = contents(name, form)
    files[form.train[2]] = pickle.dumps(dictionary(name, slice(4, 6)) | {b"labels": labels}, 2)
    unpacked(tmp_path, form, files)
    message = refusal(name, tmp_path)
    assert why in message
    assert f"{form.folder}/{form.train[2]}" in message


def test_bytes_that_are_no_pickle_or_only_the_beginning_of_one() -> None:
    whole = pickle.dumps(GOOD, 2)
    random = np.random.default_rng(1)
    broken = [whole[:n] for n in range(0, len(whole), 997)]
    broken += [random.bytes(50) for _ in range(200)]
    # One byte of the instructions is another one; that may be harmless, but never more than a line.
    for position in range(200):
        changed = bytearray(whole)
        changed[position] ^= 1 << random.integers(8)
        broken.append(bytes(changed))
    messages = []
    for data in broken:
        try:
            pickled.read_batch(data, "labels", "a file")
        except ModflowError as error:
            messages.append(str(error))
    assert len(messages) > 300
    assert all(each.startswith("a file ") and "\n" not in each for each in messages)
    # NumPy's own type of bytes is as it was.
    assert np.dtype("u1").itemsize == 1
    assert np.array([200], "u1")[0] == 200
