"""Shared by tests: the command line in this process, fast compilation, the fonts of a PDF."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from modflow import cli
from modflow.interrupt import SIGNALS
from modflow.report import progress


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def devices() -> None:
    """JAX has the same ones in all tests, whichever of them is first.

    A command that trains makes more of them where it is the first to use JAX.
    """
    import jax

    jax.devices()


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """`modflow ARGS`, in this process."""

    def invoke(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["modflow", *arguments])
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            with pytest.raises(SystemExit) as exited:
                cli.main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return Outcome(int(exited.value.code or 0), *capsys.readouterr())

    # On a busy machine anything may take over two seconds; progress has tests of its own.
    monkeypatch.setattr(progress, "DELAY_SECONDS", 1e6)
    return invoke


@pytest.fixture
def refused(run: Callable[..., Any]) -> Callable[..., str]:
    """The one line on stderr with which `modflow ARGS` is refused."""

    def invoke(*arguments: str) -> str:
        status, out, err = run(*arguments)
        assert status == 2
        assert out == ""
        assert err.startswith("modflow: error: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        return err

    return invoke


@pytest.fixture(scope="module", autouse=True)
def _quickly_compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    """In networks/, training/ and fuzz/, XLA leaves most of its optimizations out, here and in what
    is started from here.

    Compilation is most of what trainings of a few steps take. Their numbers are the same to
    rounding; nothing that has been compiled in one way is used in the other, as some tests are
    about bits.
    """
    if request.path.parent.name not in ("networks", "training", "fuzz"):
        yield
        return
    import jax

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        jax.config.update("jax_disable_most_optimizations", True)
        jax.clear_caches()
        yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()


@pytest.fixture
def fonts_of() -> Callable[[Any], set[str]]:
    """The fonts of a PDF that pypdf reads, with those of its figures; all have to be embedded."""

    def within(resources: Any) -> Iterator[Any]:
        yield from (font.get_object() for font in resources.get("/Font", {}).values())
        for form in resources.get("/XObject", {}).values():
            yield from within(form.get_object().get("/Resources", {}))

    def found(reader: Any) -> set[str]:
        names = set()
        for page in reader.pages:
            for font in within(page["/Resources"]):
                below = font.get("/DescendantFonts")
                descriptor = (below[0].get_object() if below else font)["/FontDescriptor"]
                assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor.get_object())
                assert font["/Subtype"] != "/Type3"
                names.add(font["/BaseFont"])
        return names

    return found
