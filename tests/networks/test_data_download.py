"""Downloads, from a server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pooch = pytest.importorskip("pooch")

from modflow import ModflowError, UnknownNameError  # noqa: E402
from modflow.networks.data import download, fetch, load_data  # noqa: E402

NAME = "t10k-images-idx3-ubyte.gz"
CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What it has under each path; a length that is more than there is; what it was asked for."""

    def __init__(self, port: int) -> None:
        self.files: dict[str, bytes] = {}
        self.promised: int | None = None
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{port}/"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append(self.path)
            if self.path not in here.files:
                self.send_error(404)
                return
            data = here.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(here.promised or len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        here = Server(httpd.server_port)
        thread = threading.Thread(target=partial(httpd.serve_forever, poll_interval=0.01))
        thread.start()
        yield here
        httpd.shutdown()
        thread.join()


Offer = Callable[..., None]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Let a file be what some mirrors have."""

    def offered(name: str, sha256: str, *mirrors: str) -> None:
        monkeypatch.setitem(download.REMOTES, name, download.Remote(sha256, mirrors))

    return offered


def refusal(folder: Path) -> str:
    with pytest.raises(ModflowError) as raised:
        fetch(NAME, folder)
    assert "\n" not in str(raised.value)
    assert not folder.exists() or not list(folder.iterdir())
    return str(raised.value)


def no_server() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def test_a_file_is_fetched_once(
    server: Server, offer: Offer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.files[f"/{NAME}"] = CONTENT
    offer(NAME, SHA256, server.url)
    folder, told = tmp_path / "a" / "b", []
    for _ in range(2):
        assert fetch(NAME, folder, announce=told.append) == folder / NAME
    assert (folder / NAME).read_bytes() == CONTENT
    assert list(folder.iterdir()) == [folder / NAME]
    assert server.asked == [f"/{NAME}"]
    assert told == [f"downloading {server.url}{NAME}"]
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_there_stays_as_it_is(server: Server, offer: Offer, tmp_path: Path) -> None:
    offer(NAME, SHA256, server.url)
    (tmp_path / NAME).write_bytes(b"compressed again")
    assert fetch(NAME, tmp_path).read_bytes() == b"compressed again"
    assert not server.asked


def test_another_content_is_refused_with_both_hashes(
    server: Server, offer: Offer, tmp_path: Path
) -> None:
    wrong = CONTENT[:-1] + b"x"
    server.files[f"/{NAME}"] = wrong
    offer(NAME, SHA256, server.url)
    message = refusal(tmp_path)
    assert SHA256 in message
    assert hashlib.sha256(wrong).hexdigest() in message
    assert f"{server.url}{NAME}" in message


def test_mirrors_are_tried_in_order(server: Server, offer: Offer, tmp_path: Path) -> None:
    server.files[f"/wrong/{NAME}"] = b"another file"
    server.files[f"/right/{NAME}"] = CONTENT
    mirrors = [no_server(), *(f"{server.url}{part}" for part in ("none", "wrong/", "right/"))]
    offer(NAME, SHA256, *mirrors, f"{server.url}not-needed/")
    assert fetch(NAME, tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"/{part}/{NAME}" for part in ("none", "wrong", "right")]


def test_where_no_mirror_has_it_the_reasons_are_told(
    server: Server, offer: Offer, tmp_path: Path
) -> None:
    nobody = no_server()
    offer(NAME, SHA256, nobody, server.url)
    message = refusal(tmp_path)
    assert f"cannot download {NAME}: {nobody}{NAME}: the connection failed; " in message
    assert f"{server.url}{NAME}: 404 Not Found; " in message
    assert "--data-dir" in message


def test_a_connection_that_breaks_off_leaves_nothing(
    server: Server, offer: Offer, tmp_path: Path
) -> None:
    server.files[f"/{NAME}"] = CONTENT[:100_000]
    server.promised = len(CONTENT)
    offer(NAME, SHA256, server.url)
    assert f"{server.url}{NAME}: the connection broke off" in refusal(tmp_path)


def test_a_server_that_says_nothing(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        offer(NAME, SHA256, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "no answer within 0.2 seconds" in refusal(tmp_path)


def test_an_interruption_leaves_nothing(
    offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object, url: str, path: str, pup: object) -> None:
        Path(path).write_bytes(CONTENT[:1000])
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupted)
    offer(NAME, SHA256, "http://127.0.0.1/")
    with pytest.raises(KeyboardInterrupt):
        fetch(NAME, tmp_path)
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_written_to(server: Server, offer: Offer, tmp_path: Path) -> None:
    server.files[f"/{NAME}"] = CONTENT
    offer(NAME, SHA256, server.url)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModflowError, match=r"cannot write .*file.*--data-dir") as raised:
        fetch(NAME, tmp_path / "file" / "folder")
    assert "\n" not in str(raised.value)


def test_only_known_files_are_fetched(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{NAME}'"):
        fetch("t10k-images.gz", tmp_path)


def test_the_cache_is_the_user_s_or_that_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MODFLOW_DATA_DIR", raising=False)
    assert download.cache() == pooch.os_cache("modflow")
    monkeypatch.setenv("MODFLOW_DATA_DIR", "")
    assert download.cache() == pooch.os_cache("modflow")
    monkeypatch.setenv("MODFLOW_DATA_DIR", str(tmp_path))
    assert download.cache() == tmp_path


def test_without_pooch_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MODFLOW_DATA_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModflowError, match="pip install pooch"):
        load_data("mnist")
    with pytest.raises(ModflowError, match="pip install pooch"):
        fetch(NAME, tmp_path)


def test_the_hashes_are_whole() -> None:
    for remote in download.REMOTES.values():
        assert len(bytes.fromhex(remote.sha256)) == 32
        assert all(mirror.startswith("https://") for mirror in remote.mirrors)


def idx(*shape: int, first: int = 0) -> bytes:
    length = 1
    for extent in shape:
        length *= extent
    header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    return gzip.compress(header + bytes((first + i) % 10 for i in range(length)), mtime=0)


def test_only_what_is_missing_of_a_data_set_is_fetched_and_only_when_asked_for(
    server: Server, offer: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "train-images-idx3-ubyte.gz": idx(5, 2, 2),
        "train-labels-idx1-ubyte.gz": idx(5),
        "t10k-images-idx3-ubyte.gz": idx(3, 2, 2, first=1),
        "t10k-labels-idx1-ubyte.gz": idx(3),
    }
    for name, data in files.items():
        server.files[f"/{name}"] = data
        offer(name, hashlib.sha256(data).hexdigest(), server.url)
    monkeypatch.setenv("MODFLOW_DATA_DIR", str(tmp_path))
    with pytest.raises(ModflowError, match="no MNIST in .*mnist, which would be .*--download"):
        load_data("mnist")
    assert not server.asked
    found = load_data("mnist", download=True)
    assert found.training == 5
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(files)
    assert load_data("mnist").training == 5
    assert len(server.asked) == 4

    # Into a folder of the user's, where one of them is already, unpacked.
    own = tmp_path / "own"
    own.mkdir()
    own.joinpath("t10k-images-idx3-ubyte").write_bytes(gzip.decompress(idx(3, 2, 2)))
    found = load_data("mnist", own, download=True)
    assert found.images[5].ravel().tolist() == [0, 1, 2, 3]
    assert len(server.asked) == 7
    assert f"/{NAME}" not in server.asked[4:]


def test_the_archive_of_cifar_is_fetched_where_there_is_none(
    server: Server, offer: Offer, tmp_path: Path
) -> None:
    name = "cifar-10-binary.tar.gz"
    offer(name, SHA256, server.url)
    server.files[f"/{name}"] = CONTENT
    with pytest.raises(ModflowError, match=f"{name} is truncated or damaged") as refused:
        load_data("cifar-10", tmp_path, download=True)
    size = f"it has {len(CONTENT)} bytes and SHA-256 {SHA256}, the published file {SHA256}"
    assert size in str(refused.value)
    assert server.asked == [f"/{name}"]
    (tmp_path / name).rename(tmp_path / "cifar-10-python.tar.gz")
    with pytest.raises(ModflowError, match="cifar-10-python.tar.gz is truncated or damaged"):
        load_data("cifar-10", tmp_path, download=True)
    assert len(server.asked) == 1
