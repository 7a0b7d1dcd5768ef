"""Files fetched from the net, when asked to; each is what its known SHA-256 says, or not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ...errors import ModflowError, UnknownNameError, first_line

TIMEOUT_SECONDS = 30
VARIABLE = "MODFLOW_DATA_DIR"
"""The environment variable with a folder to use instead of the user's cache."""


@dataclass(frozen=True)
class Remote:
    """A file on the net."""

    sha256: str
    mirrors: tuple[str, ...]
    """Addresses of the folders it is in, tried one after the other."""


_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_CIFAR = ("https://www.cs.toronto.edu/~kriz/",)

# As TensorFlow Datasets, MLDatasets.jl and others have them, which agree.
REMOTES = {
    name: Remote(sha256, mirrors)
    for name, sha256, mirrors in [
        (
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            _MNIST,
        ),
        (
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            _MNIST,
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            _MNIST,
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            _MNIST,
        ),
        (
            "cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            _CIFAR,
        ),
        (
            "cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            _CIFAR,
        ),
        (
            "cifar-100-binary.tar.gz",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            _CIFAR,
        ),
        (
            "cifar-100-python.tar.gz",
            "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            _CIFAR,
        ),
    ]
}


def cache() -> Path:
    """The folder of all data sets: `$MODFLOW_DATA_DIR` where it is set, else the user's cache.

    Raises ModflowError where only pooch could say where that is, and it is not installed.
    """
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser() if given else Path(_pooch().os_cache("modflow"))


def fetch(name: str, folder: Path, *, announce: Callable[[str], object] | None = None) -> Path:
    """The file of this name in `REMOTES`, in the folder; downloaded where it is not there yet.

    A file that is there stays as it is. A download gets its name when all of it has arrived and
    its SHA-256 is the known one, so that neither an interruption nor a wrong file leaves anything
    behind. `announce` is told of each download in one line, before it begins.

    Raises ModflowError where no mirror has the right file, with the reason of each, where the
    folder cannot be written to, or where pooch is not installed.
    """
    if name not in REMOTES:
        raise UnknownNameError("file to fetch", name, REMOTES)
    target = folder / name
    if target.is_file():
        return target
    pooch = _pooch()
    from requests.exceptions import RequestException

    remote = REMOTES[name]
    failures = []
    for mirror in remote.mirrors:
        url = mirror.rstrip("/") + f"/{name}"
        if announce is not None:
            announce(f"downloading {url}")
        try:
            with _quiet(pooch):
                pooch.retrieve(
                    url,
                    f"sha256:{remote.sha256}",
                    fname=name,
                    path=folder,
                    downloader=_checked(pooch, remote.sha256),
                )
        except _WrongContent as error:
            failures.append(f"{url} has SHA-256 {error}, not {remote.sha256}")
        except RequestException as error:
            failures.append(f"{url}: {_reason(error)}")
        except OSError as error:
            raise ModflowError(
                f"cannot write {target}: {error.strerror or error}; another folder can be given "
                "with --data-dir"
            ) from error
        else:
            return target
    raise ModflowError(
        f"cannot download {name}: {'; '.join(failures)}; try again later, or get the file another "
        "way and give its folder with --data-dir"
    )


class _WrongContent(Exception):
    """The message is the SHA-256 that was found."""


def _checked(pooch: ModuleType, sha256: str) -> Callable[[str, str, object], None]:
    """A download that is refused for its content before pooch would, with the hash that it has."""
    plain = pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS, chunk_size=2**16)

    def download(url: str, path: str, pup: object) -> None:
        plain(url, path, pup)
        found = pooch.file_hash(path)
        if found != sha256:
            raise _WrongContent(found)

    return download


def _reason(error: Exception) -> str:
    from requests import exceptions

    response = getattr(error, "response", None)
    if isinstance(error, exceptions.HTTPError) and response is not None:
        return f"{response.status_code} {response.reason}"
    if isinstance(error, exceptions.Timeout):
        return f"no answer within {TIMEOUT_SECONDS} seconds"
    if isinstance(error, exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, exceptions.ConnectionError):
        return "the connection failed"
    return first_line(error)


@contextmanager
def _quiet(pooch: ModuleType) -> Iterator[None]:
    """Without pooch's own lines on stderr; `announce` has them."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _pooch() -> ModuleType:
    try:
        return import_module("pooch")
    except ImportError:
        raise ModflowError(
            "pooch, which keeps and fetches data sets, is not installed: pip install pooch, or "
            "give the folder of the data with --data-dir"
        ) from None
