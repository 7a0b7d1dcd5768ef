"""Building documents: which, in which processes, what is not built again, and what is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modflow.documents import build as build_module
from modflow.documents import fingerprint, locate
from modflow.documents import watch as watch_module
from modflow.documents.build import Builder, Built, build
from modflow.documents.locate import documents
from modflow.documents.watch import watch
from modflow.documents.workers import Workers
from modflow.errors import ModflowError, UnknownNameError

WRITER = '''
"""A document is a module; what it calls `text` is written."""

import os
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Written:
    files: tuple
    inputs: tuple
    missing: str | None = None
    equations: int = 0


def write(path, out, engine):
    sys.path.insert(0, str(path.parent))
    found = runpy.run_path(str(path))
    files = []
    for ending in found.get("endings", ("md", "tex", "pdf")):
        file = out / f"{path.stem}.{ending}"
        file.write_text(f"{found['text']} {engine}")
        files.append(file)
    with open(out / "log", "a") as log:
        log.write(f"{path.stem} {os.getpid()}\\n")
    inputs = tuple(path.parent / name for name in found.get("inputs", ()))
    return Written(tuple(files), inputs, found.get("missing"), found.get("equations", 0))
'''


@dataclass
class Place:
    """A folder `derivations` with documents, and `out`."""

    folder: Path
    package: Path
    """What is taken for modflow's sources."""
    out: Path
    writer: str

    def write(self, name: str, source: str = "text = 'a'") -> Path:
        path = self.folder / f"{name}.py"
        path.write_text(source)
        return path

    def build(self, *paths: Path, **options: Any) -> dict[str, Built]:
        chosen = paths or tuple(sorted(self.folder.glob("*.py")))
        found = build(chosen, self.out, writer=self.writer, **{"jobs": 1, **options})
        return {built.name: built for built in found}

    def written(self) -> list[str]:
        """Names of the documents in the order in which they were written, since asked last."""
        log = self.out / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.split()[0] for line in lines]

    def files(self) -> set[str]:
        return {path.name for path in self.out.iterdir() if path.is_file()} - {"log"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    library = tmp_path / "library"
    library.mkdir()
    (library / "small_writer.py").write_text(WRITER)
    monkeypatch.syspath_prepend(str(library))
    monkeypatch.setattr(build_module, "WRITER", "small_writer:write")
    folder, package = tmp_path / "derivations", tmp_path / "package"
    folder.mkdir()
    package.mkdir()
    # Whoever edits modflow while its tests run is not what they are about.
    for module in fingerprint, watch_module:
        monkeypatch.setattr(module, "_PACKAGE", package)
    monkeypatch.chdir(tmp_path)
    return Place(folder, package, tmp_path / "out", "small_writer:write")


# -- which documents ----------------------------------------------------------------------------


def test_all_in_the_folder_but_what_is_hidden(place: Place) -> None:
    for name in ("b", "_helper", "a_1"):
        place.write(name)
    assert documents() == [Path("derivations/a_1.py"), Path("derivations/b.py")]


def test_documents_by_path_folder_and_name(place: Place, tmp_path: Path) -> None:
    place.write("theorem_4_1")
    place.write("b")
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "c.py").write_text("")
    assert documents(["theorem_4_1"]) == documents(["theorem-4-1"])
    assert documents(["theorem-4-1"]) == [Path("derivations/theorem_4_1.py")]
    assert documents(["theorem-4-1.py"]) == [Path("derivations/theorem_4_1.py")]
    assert documents([str(other)]) == documents([str(other / "c.py")]) == [other / "c.py"]
    # Each once, whatever it is called.
    assert documents(["b", str(place.folder), "derivations/b.py"]) == [
        Path("derivations/b.py"),
        place.folder / "theorem_4_1.py",
    ]


def test_documents_that_there_are_not(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ModflowError, match="no documents in derivations"):
        documents()
    place.write("theorem_4_1")
    with pytest.raises(UnknownNameError, match="unknown document 'theorem_4_2': .*'theorem_4_1'"):
        documents(["theorem_4_2"])
    for name in "x/y.py", "nope.py":
        with pytest.raises(ModflowError, match=f"^there is no file {name}$"):
            documents([name])
    with pytest.raises(ModflowError, match=r"^there is no file or folder x/y$"):
        documents(["x/y"])
    with pytest.raises(ModflowError, match="the name of a document is empty"):
        documents([""])
    (tmp_path / "notes.md").write_text("")
    with pytest.raises(ModflowError, match=r"notes\.md is no document"):
        documents(["notes.md"])
    (tmp_path / "theorem_4_1.py").write_text("")
    with pytest.raises(ModflowError, match="would be written to the same files"):
        documents(["theorem_4_1", "./theorem_4_1.py"])


def test_elsewhere_they_are_those_of_modflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "repository" / "src" / "modflow"
    for folder in (tmp_path / "empty", package / "derivations", package.parents[1] / "derivations"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr(locate, "_PACKAGE", package)
    installed = package / "derivations" / "a.py"
    installed.write_text("")
    assert documents() == documents(["a"]) == [installed]
    installed.unlink()
    installed.parent.rmdir()
    in_source = package.parents[1] / "derivations" / "a.py"
    in_source.write_text("")
    assert documents() == documents(["a"]) == [in_source]


# -- what is built ------------------------------------------------------------------------------


def test_documents_are_written_and_then_current(place: Place) -> None:
    a = place.write("a", "text, equations = 'a', 7")
    place.write("b")
    first = place.build()
    assert {name: built.status for name, built in first.items()} == {"a": "built", "b": "built"}
    assert first["a"].files == tuple(place.out / f"a.{ending}" for ending in ("md", "tex", "pdf"))
    assert first["a"].path == a
    assert first["a"].equations == 7
    assert first["a"].seconds > 0
    assert place.files() == {f"{name}.{e}" for name in "ab" for e in ("md", "tex", "pdf")}
    assert sorted(place.written()) == ["a", "b"]

    second = place.build()
    assert {name: built.status for name, built in second.items()} == {
        "a": "current",
        "b": "current",
    }
    assert second["a"].files == first["a"].files
    assert second["a"].equations == 7
    assert place.written() == []


def test_only_what_changed_is_built_again(place: Place) -> None:
    place.write("a", "import helper\ntext = helper.text\ninputs = ['helper.py', 'figures/f.png']")
    place.write("b")
    (place.folder / "figures").mkdir()
    (place.folder / "figures" / "f.png").write_text("1")
    helper = place.folder / "helper.py"
    helper.write_text("text = 'one'")
    chosen = place.folder / "a.py", place.folder / "b.py"

    def again(**options: Any) -> list[str]:
        place.written()
        place.build(*chosen, **options)
        # What took longer the last time is begun first, and that is not what this is about.
        return sorted(place.written())

    assert again() == ["a", "b"]
    assert again() == []
    helper.write_text("text = 'two'")
    assert again() == ["a"]
    assert (place.out / "a.md").read_text() == "two typst"
    (place.folder / "figures" / "f.png").write_text("2")
    assert again() == ["a"]
    place.write("b", "text = 'b'")
    assert again() == ["b"]
    # The same again is no change, and neither is a new date.
    place.write("b", "text = 'b'")
    assert again() == []
    (place.out / "b.tex").write_text("edited")
    assert again() == ["b"]
    (place.out / "b.pdf").unlink()
    assert again() == ["b"]
    assert again(force=True) == ["a", "b"]
    assert again(engine="latex") == ["a", "b"]
    assert again(engine="latex") == []
    (place.folder / "figures" / "f.png").unlink()
    assert again(engine="latex") == ["a"]


@pytest.mark.parametrize("what", ["variable", "version", "program", "source"])
def test_what_every_document_depends_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (place.package / "module.py").write_text("1")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    place.write("a")
    assert place.build()["a"].status == "built"
    assert place.build()["a"].status == "current"
    if what == "variable":
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    elif what == "version":
        monkeypatch.setattr(fingerprint, "_version", lambda name: "99")
    elif what == "program":
        monkeypatch.setattr(fingerprint.shutil, "which", lambda name: f"/new/{name}")
    else:
        (place.package / "module.py").write_text("2")
    assert place.build()["a"].status == "built"
    assert place.build()["a"].status == "current"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        '{"version": 0, "fingerprint": null, "seconds": 1, "equations": 1, "inputs": [], '
        '"files": {}}',
        '{"version": 1, "fingerprint": null, "seconds": "x", "equations": 1, "inputs": [], '
        '"files": {}}',
        '{"version": 1, "fingerprint": null, "seconds": 1, "equations": 1, "inputs": [1], '
        '"files": {}}',
    ],
)
def test_a_damaged_record_means_building_again(place: Place, content: str) -> None:
    place.write("a")
    place.build()
    (place.out / ".modflow" / "a.json").write_text(content)
    assert place.build()["a"].status == "built"
    assert place.build()["a"].status == "current"
    # Nobody knows any more what is old, but that there was something.
    (place.out / ".modflow" / "a.json").write_text(content)
    place.write("a", FAILS)
    assert place.build()["a"].status == "failed"
    assert place.files() == set()


def test_what_changes_while_it_is_read_is_built_again(place: Place) -> None:
    place.write("a", "open(__file__, 'a').write('#')\ntext = 'a'")
    assert place.build()["a"].status == "built"
    place.write("a")
    assert place.build()["a"].status == "built"
    assert place.build()["a"].status == "current"


# -- what is wrong ------------------------------------------------------------------------------

FAILS = """
from modflow.documents.errors import StepError
raise StepError("left side 1,\\n right side 2")
"""


def test_an_equation_that_fails_takes_the_old_files_away(place: Place) -> None:
    a = place.write("a")
    place.write("b")
    place.build()
    (place.out / "a.txt").write_text("mine")
    place.write("a", FAILS)
    found = place.build()
    assert found["a"].status == "failed"
    assert found["a"].message == "a.py:3: left side 1, right side 2"
    assert found["a"].files == ()
    assert found["b"].status == "current"
    assert place.files() == {"a.txt", "b.md", "b.tex", "b.pdf"}
    assert place.build(a)["a"].status == "failed"
    place.write("a")
    assert place.build(a)["a"].status == "built"


def test_what_was_never_built_takes_no_files_away(place: Place) -> None:
    place.write("a", FAILS)
    place.out.mkdir()
    (place.out / "a.md").write_text("mine")
    assert place.build()["a"].status == "failed"
    assert place.build()["a"].status == "failed"
    assert place.files() == {"a.md"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ntext = y", "a.py:2: NameError: name 'y' is not defined"),
        ("\n1/0", "a.py:2: ZeroDivisionError: division by zero"),
        ("def f(:", "a.py:1: SyntaxError: invalid syntax"),
        ("import beside", "beside.py:2: ValueError: two lines"),
        ("import json\njson.loads('x')", "a.py:2: JSONDecodeError: Expecting value: line 1"),
        ("import nothing_such", "a.py:1: ModuleNotFoundError: No module named 'nothing_such'"),
        ("open('none.png')", "a.py:1: No such file or directory: none.png"),
        ("import sys\nsys.exit(3)", "a.py:2: SystemExit: 3"),
        ("assert False", "a.py:1: AssertionError"),
        ("from modflow.errors import ModflowError\nraise ModflowError('no\\n such')",
         "a.py:2: no such"),
        ("from modflow.errors import ModflowError\nraise ModflowError('a.py:9: no such')",
         "a.py:9: no such"),
        ("def f(n): return f(n + 1)\nf(0)", "a.py:1: RecursionError: maximum recursion"),
        ("class E(Exception): pass\nraise E", "a.py:2: E"),
        ("raise KeyboardInterrupt", "a.py:1: KeyboardInterrupt"),
        ("class E(BaseException): pass\nraise E('x')", "a.py:2: E: x"),
        ("class E(Exception):\n  def __str__(self): return 1/0\nraise E", "a.py:3: E: its text"),
        ("x = 1\0", "a.py: SyntaxError: source code"),
        ("\nexec('def f(): f()\\nf()')", "a.py:2: RecursionError: maximum recursion"),
        ("import os\nos.chdir('/')\nopen('none.png')", "a.py:3: No such file or directory: none"),
    ],
)  # fmt: skip
def test_a_refused_document_is_one_line_and_keeps_its_files(
    place: Place, source: str, message: str
) -> None:
    place.write("a")
    place.build()
    (place.folder / "beside.py").write_text("\nraise ValueError('two\\nlines')")
    a = place.write("a", source)
    found = place.build(a)["a"]
    assert found.status == "refused"
    assert found.message is not None
    assert found.message.startswith(message)
    assert "\n" not in found.message
    assert place.files() == {"a.md", "a.tex", "a.pdf"}
    # What it says, it says again; and what was built from the old source is not current.
    assert place.build(a)["a"] == found or place.build(a)["a"].message == found.message


def test_a_link_that_leads_in_a_circle_is_refused(place: Place) -> None:
    place.write("a")
    loop = place.folder / "loop.py"
    loop.symlink_to("loop.py")
    assert documents() == [Path("derivations/a.py"), Path("derivations/loop.py")]
    assert documents(["derivations/loop.py"]) == [Path("derivations/loop.py")]
    for status in "built", "current":
        found = place.build()
        assert found["a"].status == status
        assert found["loop"].status == "refused"
        assert found["loop"].message == f"loop.py: Too many levels of symbolic links: {loop}"


def test_a_document_may_go_to_another_folder(place: Place) -> None:
    a = place.write("a", "import os\nos.chdir('/')\ntext = 'a'")
    b = place.write("b", "import os\nos.chdir('/')\ntext, endings = 'b', ['x/y']")
    chosen = [path.relative_to(Path.cwd()) for path in (a, b)]
    built, refused = sorted(
        build(chosen, Path("out"), jobs=1, writer=place.writer), key=lambda built: built.name
    )
    assert built.files == tuple(Path("out") / f"a.{ending}" for ending in ("md", "tex", "pdf"))
    assert (place.out / "a.md").exists()
    assert refused.message == "b.py: No such file or directory: out/b.x/y"
    (again,) = build(chosen[:1], Path("out"), jobs=1, writer=place.writer)
    assert again.status == "current"


def test_a_document_that_is_not_there_is_refused(place: Place) -> None:
    found = place.build(place.folder / "none.py")["none"]
    assert found.status == "refused"
    assert found.message == f"none.py: No such file or directory: {place.folder / 'none.py'}"


def test_an_error_that_is_not_the_documents_says_where(place: Place) -> None:
    a = place.write("a", "texts = 'a'")
    message = place.build(a)["a"].message
    assert message == "a.py: KeyError: 'text' (small_writer.py:25)"


def test_without_the_extra_a_document_is_partial_and_built_again(place: Place) -> None:
    place.write("a")
    place.build()
    place.write("a", "text, endings, missing = 'a', ('md', 'tex'), 'install X'")
    for _ in range(2):
        found = place.build()["a"]
        assert (found.status, found.message) == ("partial", "install X")
        # The .pdf of before is not that of this source.
        assert place.files() == {"a.md", "a.tex"}


def test_files_elsewhere_are_never_removed(place: Place, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("")
    place.write("a", f"text, endings = 'a', ('md', '/../../{mine.name}')")
    (place.out / "a.").mkdir(parents=True)
    assert place.build()["a"].status == "built"
    place.write("a", FAILS)
    assert place.build()["a"].status == "failed"
    assert mine.exists()
    assert not (place.out / "a.md").exists()


# -- processes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("os._exit(3)", "with exit status 3"),
        ("os.kill(os.getpid(), 9)", "by SIGKILL, perhaps for want of memory"),
    ],
)
def test_a_process_that_ends_by_itself_takes_no_other_document_along(
    place: Place, jobs: int, end: str, how: str
) -> None:
    place.write("a")
    place.write("b", f"import os\n{end}")
    place.write("c")
    found = place.build(jobs=jobs)
    assert {name: built.status for name, built in found.items()} == {
        "a": "built",
        "b": "refused",
        "c": "built",
    }
    assert found["b"].message == f"b.py: the process that built it ended by itself, {how}"


def test_processes_serve_many_documents_until_modflow_changes(place: Place) -> None:
    paths = [place.write(name) for name in "abc"]

    def processes() -> set[str]:
        log = place.out / "log"
        found = {line.split()[1] for line in log.read_text().splitlines()}
        log.unlink()
        return found

    with Builder(place.out, jobs=1) as builder:
        assert len(list(builder.build(paths))) == 3
        first = processes()
        assert len(first) == 1
        assert len(list(builder.build(paths, force=True))) == 3
        assert processes() == first
        (place.package / "new.py").write_text("")
        assert len(list(builder.build(paths))) == 3
        second = processes()
        assert len(second) == 1
        assert second != first
    assert all(_has_ended(int(number)) for number in first | second)


def _has_ended(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_documents_do_not_see_each_others_modules(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    source = "import os, helper\nos.chdir('/')\ntext = helper.text"
    for folder in (place.folder, other):
        (folder / "helper.py").write_text(f"text = {folder.name!r}")
    a = place.write("a", source)
    b = other / "b.py"
    b.write_text(source)
    place.build(a, b)
    assert (place.out / "a.md").read_text() == "derivations typst"
    assert (place.out / "b.md").read_text() == "other typst"


def test_what_a_document_prints_is_no_result(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    place.write("a", "print('here'); text = 'a'")
    place.build()
    out, err = capfd.readouterr()
    assert out == ""
    assert "here" in err


def test_what_took_longest_is_begun_first(place: Place) -> None:
    place.write("a", "text = 'a'")
    place.write("b", "import time; time.sleep(0.2); text = 'b'")
    place.build()
    place.write("c", "text = 'c'")
    place.write("d", "text = 'd'  # modflow.claims")
    place.written()
    place.build(force=True)
    # Of new ones nothing is known.
    assert place.written() == ["d", "c", "b", "a"]
    place.build(force=True)
    assert place.written()[0] == "b"


def test_progress_is_told(place: Place) -> None:
    for name in "abc":
        place.write(name)
    heard: list[tuple[str, float]] = []
    place.build(progress=lambda *told: heard.append(told))
    shares = [share for _, share in heard]
    assert shares == sorted(shares)
    assert 0 == shares[0] <= shares[-1] < 1
    assert heard[0][0] == "0 of 3 documents done, now a"


def test_who_stops_listening_leaves_no_process_behind(place: Place, tmp_path: Path) -> None:
    # The grandchild holds on to nothing of the build.
    place.write("a")
    place.write(
        "b",
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1e6)'])\n"
        f"path = {str(tmp_path / 'numbers')!r}\n"
        "open(path + '.new', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "os.rename(path + '.new', path)\n"
        "time.sleep(1e6)",
    )
    numbers = tmp_path / "numbers"

    class Heard(Exception):
        pass

    def progress(what: str, share: float) -> None:
        if numbers.exists():
            raise Heard

    results = build(
        sorted(place.folder.glob("*.py")),
        place.out,
        jobs=2,
        writer=place.writer,
        progress=progress,
    )
    done = []
    with pytest.raises(Heard):
        done.extend(results)
    worker, child = map(int, numbers.read_text().split())
    assert _has_ended(worker)
    # Its parent is gone: whoever has inherited it may not have asked for its status yet.
    assert _has_ended(child) or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]
    # What was told of stays.
    assert all(built.status == "built" for built in done)


def test_nothing_that_a_document_calls_keeps_its_process_from_ending(
    place: Place, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # What is raised when Python has looked for garbage is dropped, as that of jax is.
    begun, tidied = tmp_path / "begun", tmp_path / "tidied"
    place.write(
        "a",
        "import gc, pathlib, time\n"
        "def callback(phase, info):\n"
        "    gc.callbacks.clear()\n"
        f"    pathlib.Path({str(begun)!r}).touch()\n"
        "    time.sleep(1e6)\n"
        "gc.callbacks.append(callback)\n"
        "try:\n"
        "    gc.collect()\n"
        "    time.sleep(1e6)\n"
        "finally:\n"
        f"    pathlib.Path({str(tidied)!r}).touch()\n",
    )

    class Heard(Exception):
        pass

    def progress(what: str, share: float) -> None:
        if begun.exists():
            raise Heard

    with pytest.raises(Heard):
        place.build(progress=progress)
    assert tidied.exists()
    assert capfd.readouterr().err == ""


def test_a_process_that_died_while_idle_is_replaced(place: Place) -> None:
    a = place.write("a")
    workers = Workers(1, place.writer)
    place.out.mkdir()
    try:
        ((_, first),) = workers.run([a], place.out, "typst")
        os.kill(workers._idle[0].process.pid, signal.SIGKILL)
        workers._idle[0].process.join()
        ((_, second),) = workers.run([a], place.out, "typst")
    finally:
        workers.close()
    assert first.status == second.status == "built"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "word"}, r"unknown engine 'word': Known: latex, typst\."),
        ({"jobs": 0}, "at least one process is needed"),
    ],
)
def test_requests_that_are_wrong(place: Place, options: dict[str, Any], message: str) -> None:
    place.write("a")
    with pytest.raises(ModflowError, match=message):
        place.build(**options)


def test_a_folder_that_cannot_be_written_to(place: Place) -> None:
    place.write("a")
    place.out.write_text("")
    with pytest.raises(ModflowError, match=r"cannot write to .*out: it is no folder"):
        place.build()
    place.out.unlink()
    with pytest.raises(ModflowError, match=r"cannot write to .*: Not a directory"):
        list(build([place.folder / "a.py"], place.folder / "a.py" / "out"))


# -- the command line ---------------------------------------------------------------------------

Run = Callable[..., Any]


def test_pdf_tells_of_each_document(place: Place, run: Run) -> None:
    place.write("a", "text, equations = 'a', 7")
    place.write("b_2")
    status, out, err = run("pdf", "--jobs", "1")
    assert (status, err) == (0, "")
    a, b, summary = out.splitlines()
    assert sorted([a.split(), b.split()]) == [
        ["a", "built", a.split()[2] if a.startswith("a") else b.split()[2], "s", "7", "equations"],
        ["b_2", "built", (b if b.startswith("b") else a).split()[2], "s", "0", "equations"],
    ]
    assert summary == "2 documents: 2 built; in build/derivations"
    assert Path("build/derivations/a.pdf").exists()
    status, out, err = run("pdf", "a")
    assert (status, err) == (0, "")
    assert out == "a  current  7 equations\n1 document: 1 current; in build/derivations\n"


def test_pdf_as_json(place: Place, run: Run) -> None:
    place.write("b", "text, endings, missing = 'b', ('md',), 'install X'")
    place.write("a", "text = y")
    status, out, err = run("pdf", "--json", "--out", "out")
    assert (status, err) == (2, "")
    a, b = json.loads(out)
    assert b.pop("seconds") >= a.pop("seconds") * 0
    assert a == {
        "schema": "modflow.pdf/1",
        "name": "a",
        "path": "derivations/a.py",
        "status": "refused",
        "message": "a.py:1: NameError: name 'y' is not defined",
        "files": [],
        "equations": None,
    }
    assert b == {
        "schema": "modflow.pdf/1",
        "name": "b",
        "path": "derivations/b.py",
        "status": "partial",
        "message": "install X",
        "files": ["out/b.md"],
        "equations": 0,
    }


@pytest.mark.parametrize(
    ("sources", "status"),
    [
        (["text = 'a'"], 0),
        (["text = 'a'", FAILS], 1),
        (["text = 'a'", "text = y"], 2),
        (["text = y", FAILS], 1),
    ],
)
def test_exit_statuses(place: Place, run: Run, sources: list[str], status: int) -> None:
    for number, source in enumerate(sources):
        place.write(f"d{number}", source)
    assert run("pdf").status == status


def test_pdf_refuses_in_one_line(place: Place, refused: Callable[..., str]) -> None:
    assert "no documents in derivations" in refused("pdf")
    place.write("a")
    assert "unknown document 'b'" in refused("pdf", "b")
    assert "unknown engine 'word'" in refused("pdf", "--engine", "word")
    assert "at least one process is needed; got --jobs 0" in refused("pdf", "--jobs", "0")
    assert "it is no folder" in refused("pdf", "--out", "derivations/a.py")
    assert "exclude each other" in refused("pdf", "--watch", "--json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "SOURCE_DATE_EPOCH has to be a number of seconds; got 'abc'"),
        ("253402300800", "SOURCE_DATE_EPOCH is a time beyond the year 9999"),
        ("-99999999999", "SOURCE_DATE_EPOCH is a time before the year 1"),
    ],
)
def test_a_time_that_is_wrong_is_refused_before_the_work(
    place: Place,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    message: str,
) -> None:
    place.write("a")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    assert message in refused("pdf")
    assert message in refused("pdf", "--watch")


def test_a_line_break_in_a_name_does_not_break_the_line(place: Place, run: Run) -> None:
    place.write("a\nb", "text = y")
    out = run("pdf").out
    assert out.splitlines()[0].startswith("a\\nb  refused")
    assert out.splitlines()[0].endswith("a\\nb.py:1: NameError: name 'y' is not defined")
    assert len(out.splitlines()) == 2


def test_an_interrupted_build_keeps_what_is_done(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Builder._taken

    def interrupted(self: Builder, *args: Any) -> Built:
        if place.written() == ["b"]:
            signal.raise_signal(signal.SIGINT)
        return taken(self, *args)

    monkeypatch.setattr(Builder, "_taken", interrupted)
    for name in "abc":
        place.write(name)
    status, out, err = run("pdf", "--jobs", "1", "--out", "out")
    assert status == 3
    assert err == "modflow: interrupted; documents done: 1 of 3\n"
    assert out.splitlines()[0].startswith("a  built")
    assert out.splitlines()[1:] == ["1 document: 1 built; in out"]
    monkeypatch.undo()


# -- watching -----------------------------------------------------------------------------------


class Steps:
    """What happens after each thing that `watch` tells; in the end Ctrl-C."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._left = list(steps)
        self.heard: list[str] = []

    def __call__(self, told: Built | ModflowError | str) -> None:
        self.heard.append(f"{told.name} {told.status}" if isinstance(told, Built) else str(told))
        if not self._left:
            raise KeyboardInterrupt
        self._left.pop(0)()


def test_watching_builds_again_what_changes(place: Place, tmp_path: Path) -> None:
    place.write("a", "import _helper\ntext = _helper.text\ninputs = ['_helper.py', '../f.png']")
    place.write("b")
    helper = place.folder / "_helper.py"
    helper.write_text("text = 'one'")
    (tmp_path / "f.png").write_text("1")
    steps = Steps(
        lambda: None,
        lambda: helper.write_text("text = 'two'"),
        lambda: (tmp_path / "f.png").write_text("2"),
        lambda: helper.write_text("text = y"),
        lambda: place.write("b", FAILS),
        lambda: helper.write_text("text = 'three'"),
        lambda: place.write("c"),
    )
    watch([], place.out, steps, jobs=1, writer=place.writer)
    first, last = steps.heard[:6], steps.heard[6:]
    assert first == ["a built", "b built", "a built", "a built", "a refused", "b failed"]
    # That b, which may import what is beside it, has failed again for the same reason is no news.
    assert last == ["a built", "c built"]


def test_watching_tells_once_of_what_fails_again_as_a_log_beside_it_grows(place: Place) -> None:
    place.write("a", FAILS)
    log = place.folder / "log"

    def grow(name: str) -> None:
        log.write_text(name)
        place.write(name)

    corrected = "import sys; raise SystemExit('else')"
    steps = Steps(
        lambda: grow("c"),
        lambda: grow("d"),
        lambda: place.write("a", corrected),
    )
    watch([], place.out, steps, jobs=1, writer=place.writer)
    assert steps.heard == ["a failed", "c built", "d built", "a refused"]


def test_watching_goes_on_without_documents_and_tells_what_is_current(
    place: Place, tmp_path: Path
) -> None:
    a = place.write("a")
    place.build()
    steps = Steps(a.unlink, lambda: None, lambda: place.write("b"))
    watch([], place.out, steps, jobs=1, writer=place.writer)
    current, none, gone, again = steps.heard
    assert (current, again) == ("a current", "b built")
    assert none.startswith("there are no documents in derivations")
    assert gone == f"no longer there: a; what was written stays in {place.out}"


def test_watching_waits_for_a_folder_that_is_gone(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "package" / "derivations"
    shipped.mkdir()
    (shipped / "other.py").write_text("text = 'other'")
    monkeypatch.setattr(locate, "_PACKAGE", place.package)

    def again() -> None:
        place.folder.mkdir()
        place.write("a", "text = 'again'")

    place.write("a")
    change = lambda: place.write("a", "text = 'changed'")  # noqa: E731
    steps = Steps(lambda: shutil.rmtree(place.folder), lambda: None, again, change)
    watch([], place.out, steps, jobs=1, writer=place.writer)
    assert steps.heard[0] == "a built"
    # While it is removed, one may see it empty.
    assert "the folder derivations is gone; waiting for it" in steps.heard[1:3]
    assert steps.heard[3:] == ["a built", "a built"]
    assert (place.out / "a.md").read_text() == "changed typst"


def test_a_document_that_hangs_keeps_no_change_waiting(place: Place, tmp_path: Path) -> None:
    hanging = f"import os, time\nos.mkdir({str(tmp_path)!r} + '/begun')\ntime.sleep(1e6)"
    a = place.write("a", hanging)
    helper = place.folder / "_helper.py"
    helper.write_text(hanging)
    b = place.write("b")

    def when_begun(then: Callable[[], object]) -> None:
        """In a thread: until this returns, nothing is begun."""

        def wait() -> None:
            until = time.monotonic() + 10
            while not (tmp_path / "begun").exists() and time.monotonic() < until:
                time.sleep(0.01)
            (tmp_path / "begun").rmdir()
            then()

        threading.Thread(target=wait).start()

    def other() -> None:
        when_begun(lambda: place.write("b", "text = 'other'"))

    def imported() -> None:
        place.write("a", "import _helper\ntext = 'a'")
        when_begun(lambda: helper.write_text("text = 'helps'"))

    def gone() -> None:
        place.write("a", hanging)
        when_begun(a.unlink)

    # One after the other: b, another document, is built while a hangs.
    steps = Steps(other, imported, gone, lambda: b.write_text("text = 'last'"))
    watch([], place.out, steps, jobs=2, writer=place.writer)
    assert steps.heard == [
        "b built",
        "b built",
        "a built",
        f"no longer there: a; what was written stays in {place.out}",
        "b built",
    ]
    assert (place.out / "b.md").read_text() == "last typst"


def test_what_takes_long_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "_LONG_SECONDS", 0.1)
    a = place.write("a", "import time\ntime.sleep(1e6)")

    def shorten() -> None:
        # On a busy machine the short one takes a tenth of a second, too.
        monkeypatch.setattr(watch_module, "_LONG_SECONDS", 1e6)
        a.write_text("text = 'a'")

    steps = Steps(shorten)
    watch([], place.out, steps, jobs=1, writer=place.writer)
    assert steps.heard == [
        "still building a; a change of a source begins it anew",
        "a built",
    ]


def test_what_changes_while_it_is_built_is_built_again(place: Place) -> None:
    place.write("a", "text = 'one'\nopen(__file__, 'w').write(\"text = 'two'\")")
    heard = []

    def tell(told: Built | ModflowError | str) -> None:
        heard.append(told)
        if (place.out / "a.md").read_text() == "two typst":
            raise KeyboardInterrupt

    watch([], place.out, tell, jobs=1, writer=place.writer)
    assert (place.out / "a.md").read_text() == "two typst"
    # Noticed early, the change ends the first build; noticed late, it comes after it.
    assert {built.status for built in heard if isinstance(built, Built)} == {"built"}
    assert len(heard) <= 2


def test_changes_of_modflow_get_fresh_processes(place: Place) -> None:
    series = place.package / "series"
    series.mkdir()
    place.write("a", "import os\ntext = os.getpid()")
    numbers = []

    def change() -> None:
        numbers.append((place.out / "a.md").read_text())
        (series / f"new{len(numbers)}.py").write_text("")

    watch([], place.out, Steps(change, change), jobs=1, writer=place.writer)
    numbers.append((place.out / "a.md").read_text())
    assert len(set(numbers)) == 3


def test_pdf_watches_until_ctrl_c(place: Place, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    a = place.write("a", "text = y")
    changes = watch_module._Changes.wait

    def wait(self: Any) -> set[Path]:
        if "a.md" in place.files():
            signal.raise_signal(signal.SIGINT)
        a.write_text("text = 'a'")
        return changes(self)

    monkeypatch.setattr(watch_module._Changes, "wait", wait)
    status, out, err = run("pdf", "--watch", "--out", "out")
    assert status == 0
    assert err == "modflow: waiting for changes; Ctrl-C ends it\n"
    refused, built = out.splitlines()
    assert refused.startswith("a  refused")
    assert refused.endswith("a.py:1: NameError: name 'y' is not defined")
    assert built.startswith("a  built")


def test_without_watchfiles_watching_says_what_to_install(
    place: Place, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    place.write("a")
    assert "install 'modflow[pdf]'" in refused("pdf", "--watch")
