"""The pytest plugin: orders that tests assert, theorems that they are about, claims as tests.

It is loaded in every project that has modflow installed, and does nothing there that anyone sees
until one of its names is used:

* `modflow.testing.assert_order`, and the fixture of that name, which need NumPy alone;
* `@pytest.mark.order(expected=2, step_sizes=[...])` on a test that takes `step_size` and returns
  the error there, or on one that uses the fixture;
* `@pytest.mark.theorem("thm-4.1")`, and `pytest --theorem "thm-4.*"`;
* `pytest --modflow-claims`, or `modflow_claims` in the project's configuration.

What is asserted travels in the tests' reports (`user_properties`), from the processes of
pytest-xdist too, and into JUnit XML.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Generator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import observing
from .observing import ORDER, THEOREM, VERDICT

if TYPE_CHECKING:
    from .convergence import OrderEstimate

_MARKERS = (
    "order(expected, step_sizes, uncertainties, inconclusive): (modflow) errors fall with this "
    "order; the test takes step_size and returns the error there, or uses assert_order",
    "theorem(*ids): (modflow) what the test is about, for --theorem and the summary",
)
_SETTINGS = ("expected", "step_sizes", "uncertainties", "inconclusive")
_CHOICES = {
    "modflow_inconclusive": ("fail", "skip"),
    "modflow_level": ("quick", "standard", "full"),
}
_LONGEST_NAME = 80


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and settings."""
    group = parser.getgroup("modflow", "orders of convergence (modflow)")
    group.addoption(
        "--theorem",
        action="append",
        metavar="ID",
        help="only tests marked with theorem(ID), and claims of that id; * and ? match others",
    )
    group.addoption(
        "--modflow-claims",
        action="store_true",
        help="collect claims: those that modflow_claims names, or else the paper's that modflow "
        "audits",
    )
    group.addoption(
        "--modflow-plots",
        metavar="DIR",
        help="folder for plots of orders that are not found; default: in pytest's cache",
    )
    parser.addini(
        "modflow_claims",
        "claims to collect: files, folders, and names of installed sets",
        type="args",
        default=[],
    )
    parser.addini(
        "modflow_level",
        "evidence for claims: quick (only claims of less than a second), standard or full",
        default="standard",
    )
    parser.addini(
        "modflow_inconclusive",
        "what becomes of a test whose errors cannot tell: fail (default) or skip",
        default="fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register markers, and what follows the run."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    for name, known in _CHOICES.items():
        if config.getini(name) not in known:
            given, listed = config.getini(name), " or ".join(known)
            raise pytest.UsageError(f"{name} is {listed}, not {given!r}")
    if config.getini("modflow_claims"):
        config.option.modflow_claims |= _asks_for_folders(config)
    config.pluginmanager.register(Run(config), "modflow-run")


def _asks_for_folders(config: pytest.Config) -> bool:
    """Whether whole folders are to be tested, rather than files or single tests."""
    here = config.invocation_params.dir
    return all("::" not in arg and not (here / arg).is_file() for arg in config.args)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Collect claims, before anything is deselected; deselect what is about other theorems.

    Raises UsageError for a mark that names no theorem: its test would be left out in silence.
    """
    wrong = {item: why for item in items if (why := _misnamed(item)) is not None}
    if wrong and not hasattr(config, "workerinput"):  # pytest-xdist would hide why; there it fails
        raise pytest.UsageError(next(iter(wrong.values())))
    if config.option.modflow_claims:
        from .pytest_claims import claim_items

        items.extend(claim_items(session, config.getini("modflow_claims")))
    asked = config.option.theorem
    if asked:
        kept, others = list[pytest.Item](), list[pytest.Item]()
        for item in items:
            about = any(fnmatchcase(t, one) for t in theorems_of(item) for one in asked)
            (kept if about or item in wrong else others).append(item)
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = kept


class Run:
    """One run: tests tell of their orders here; in the end all are read from the reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self._planned: dict[str, list[str]] = {}
        self._tests: dict[tuple[str, str], list[_Attempt]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """While a test runs, the orders that are asserted are its own."""
        observing.begin(self._observer(item))
        try:
            return (yield)
        finally:
            observing.end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget what a test told before: one that failed may be run again."""
        ours = (ORDER, THEOREM, VERDICT)
        item.user_properties[:] = [p for p in item.user_properties if p[0] not in ours]
        item.user_properties.extend((THEOREM, theorem) for theorem in theorems_of(item))
        if (why := _misnamed(item)) is not None:
            _refuse(why)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test that is marked with an order has to assert one: no check is lost in silence."""
        result = yield
        if any(_is_ours(marker) for marker in item.own_markers):
            marked = (settings_of(item) or {}).get("expected")
            found = [json.loads(str(v))["expected"] for n, v in item.user_properties if n == ORDER]
            if not found:
                _refuse(
                    "marked with an order, and asserts none: take the argument step_size and "
                    "return the error there, or use the fixture assert_order"
                )
            if marked is not None and marked not in found:
                asserted = " and ".join(f"{order:g}" for order in dict.fromkeys(found))
                _refuse(
                    f"marked with order {marked}, and asserts {asserted}: use the fixture "
                    "assert_order, which knows the mark"
                )
        return result

    def _observer(self, item: pytest.Item) -> observing.Observer:
        def record(found: dict[str, Any]) -> None:
            item.user_properties.append((ORDER, json.dumps(found)))

        def plot_path() -> Path:
            number = sum(name == ORDER for name, _ in item.user_properties)
            return plot_folder(self.config) / f"{file_name(str(item.nodeid))}-{number}.svg"

        mode = self.config.getini("modflow_inconclusive")
        return observing.Observer(record, plot_path, _skip, mode)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what is going to be run; where pytest-xdist runs it, that is not known here."""
        self._planned = {str(item.nodeid): theorems_of(item) for item in session.items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what was asserted from the last report that has it, and the worst outcome."""
        # The same test may run in several processes, and some of them may crash.
        gateway = getattr(getattr(report, "node", None), "gateway", None)
        attempts = self._tests.setdefault((str(report.nodeid), str(getattr(gateway, "id", ""))), [])
        if report.when == "setup" or not attempts:
            if attempts and attempts[-1].is_void:
                attempts.pop()
            attempts.append(_Attempt())
        attempts[-1].add(report)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """List the orders and the theorems, where there are any."""
        done = [(name, one) for (name, _), found in sorted(self._tests.items()) for one in found]
        orders = [(name, json.loads(v)) for name, one in done for v in one.values(ORDER)]
        theorems: dict[str, list[tuple[str, str | None]]] = {}
        for _, attempt in done:
            verdict = next(iter(attempt.values(VERDICT)), None)
            for theorem in attempt.values(THEOREM):
                theorems.setdefault(theorem, []).append((attempt.outcome, verdict))
        if not (orders or theorems):
            return
        for name in self._planned.keys() - {name for name, _ in done}:
            for theorem in self._planned[name]:
                theorems.setdefault(theorem, []).append(("not run", None))
        from .report.asserted import order_lines, theorem_lines

        for title, lines in (
            ("orders of convergence", order_lines(orders)),
            ("theorems", theorem_lines(theorems)),
        ):
            if lines:
                terminalreporter.write_sep("=", title)
            for line in lines:
                terminalreporter.write_line(line)


_BADNESS = {"passed": 0, "skipped": 1, "failed": 2}


class _Attempt:
    """What the reports of a test say that has been run once."""

    def __init__(self) -> None:
        self._worst, self.is_void = "not run", False
        self._told: list[tuple[str, str]] = []

    def add(self, report: pytest.TestReport) -> None:
        """One more of its reports: of setup, call, teardown, or of a crash."""
        # That of a crash has nothing to tell.
        told = [(key, v) for key, v in report.user_properties if isinstance(v, str)]
        self._told = told or self._told
        outcome = str(report.outcome)
        # Other plugins have outcomes of their own, such as rerun: another attempt follows.
        self.is_void |= outcome not in _BADNESS
        ended = report.when == "teardown" or outcome != "passed"
        if ended and _BADNESS.get(outcome, -1) > _BADNESS.get(self._worst, -1):
            self._worst = outcome

    @property
    def outcome(self) -> str:
        """`passed`, `skipped` or `failed`, the worst of all; or that it was not run to its end."""
        return "not run" if self.is_void and self._worst == "passed" else self._worst

    def values(self, name: str) -> list[str]:
        """The properties of that name."""
        return [value for key, value in self._told if key == name]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call a test that is marked with an order, and takes `step_size`, at each step size."""
    if "step_size" not in pyfuncitem.fixturenames:
        return None
    settings = settings_of(pyfuncitem)
    if settings is None or "step_size" in getattr(pyfuncitem, "callspec", _NoParameters).params:
        return None
    from inspect import signature

    from .errors import ModflowError
    from .testing import OrderError, assert_order

    __tracebackhide__ = True
    if "step_sizes" not in settings:
        _refuse("a test that takes step_size has to be marked with order(..., step_sizes=[...])")
    test, given = pyfuncitem.obj, pyfuncitem.funcargs
    arguments = {name: given[name] for name in signature(test).parameters if name in given}
    told, own = None, list[BaseException]()

    def error_at(h: float) -> Any:
        __tracebackhide__ = True
        try:
            return test(**{**arguments, "step_size": h})
        except Exception as error:
            own.append(error)
            raise

    try:
        assert_order(error_at, **settings)
    except (OrderError, ModflowError) as error:
        if error in own:
            raise
        told = str(error)
    if told is not None:
        # No line of the test has raised it, so that there is none to show.
        file, line, _ = pyfuncitem.location
        pytest.fail(f"{told}\n\n{file}:{(line or 0) + 1}", pytrace=False)
    return True


class _NoParameters:
    params: dict[str, Any] = {}  # noqa: RUF012


@pytest.fixture
def step_size(request: pytest.FixtureRequest) -> float | None:
    """Each of the step sizes that the test is marked with, one after the other."""
    if settings_of(request.node) is None:
        _refuse("step_size is for tests marked with order(expected=..., step_sizes=[...])")
    return None


@pytest.fixture
def assert_order(request: pytest.FixtureRequest) -> Callable[..., OrderEstimate | None]:
    """`modflow.testing.assert_order`; what is not given is what the test is marked with."""
    from .testing import assert_order as check
    from .testing import is_study

    marked = settings_of(request.node) or {}

    def asserted(
        errors: Any, step_sizes: Any = None, expected: float | None = None, **settings: Any
    ) -> OrderEstimate | None:
        """See `modflow.testing.assert_order`."""
        __tracebackhide__ = True
        settings.update(step_sizes=step_sizes, expected=expected)
        own = {name: value for name, value in settings.items() if value is not None}
        if is_study(errors):
            kept = {name: marked.get(name) for name in ("expected", "inconclusive")}
            return check(errors, **{**kept, **own})
        return check(errors, **{**marked, **own})

    return asserted


def settings_of(item: Any) -> dict[str, Any] | None:
    """What the nearest mark `order` says; None without one, and for pytest-order's of that name.

    Fails the test for what the mark cannot say.
    """
    marker = next(filter(_is_ours, item.iter_markers("order")), None)
    if marker is None:
        return None
    settings = {**dict(zip(_SETTINGS, marker.args, strict=False)), **marker.kwargs}
    if marker.args and "expected" in marker.kwargs:
        _refuse("the mark order has its order twice: with a name, and without")
    unknown = settings.keys() - set(_SETTINGS)
    if unknown or len(marker.args) > 1:
        what = ", ".join(sorted(unknown)) or "several values without a name"
        _refuse(f"the mark order takes {', '.join(_SETTINGS)}, not {what}")
    return settings


def _is_ours(marker: pytest.Mark) -> bool:
    """Whether it is a mark `order` with a setting of modflow's."""
    return marker.name == "order" and not marker.kwargs.keys().isdisjoint(_SETTINGS)


def theorems_of(item: pytest.Item) -> list[str]:
    """What an item is about: each id of its marks once, the nearest mark first."""
    ids = [id for marker in item.iter_markers("theorem") for id in marker.args]
    return list(dict.fromkeys(id for id in ids if isinstance(id, str)))


def _misnamed(item: pytest.Item) -> str | None:
    """What is wrong with a mark `theorem` that has no ids, or what is none; else None."""
    for marker in item.iter_markers("theorem"):
        named = all(isinstance(id, str) and id.strip() for id in marker.args)
        if not (marker.args and named) or marker.kwargs:
            given = [*map(repr, marker.args), *(f"{n}={v!r}" for n, v in marker.kwargs.items())]
            return (
                f"{item.nodeid} is marked theorem({', '.join(given)}): the mark takes ids, which "
                'are texts, as in theorem("thm-4.1")'
            )
    return None


def plot_folder(config: pytest.Config) -> Path:
    """Where plots go."""
    asked = config.option.modflow_plots
    if asked is not None:
        return Path(config.invocation_params.dir / asked)
    cache = getattr(config, "cache", None)
    if cache is not None:
        return Path(cache.mkdir("modflow"))
    from tempfile import gettempdir

    return Path(gettempdir()) / "modflow-plots"


def file_name(nodeid: str) -> str:
    """A name that says which test it is, and no other test has."""
    plain = re.sub(r"[^\w.]+", "-", nodeid, flags=re.ASCII).strip("-")
    return f"{plain[-_LONGEST_NAME:]}-{zlib.crc32(nodeid.encode()):08x}"


def _skip(reason: str) -> None:
    __tracebackhide__ = True
    pytest.skip(reason)


def _refuse(message: str) -> None:
    pytest.fail(message, pytrace=False)
