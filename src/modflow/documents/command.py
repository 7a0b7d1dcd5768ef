"""What `modflow pdf` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

from ..errors import ModflowError
from ..report.progress import LateProgress
from ..schemas import json_text
from ..user_modules import shown
from .build import Built, build
from .epoch import build_time
from .locate import documents
from .workers import Status


def build_all(
    names: Sequence[str],
    out: Path,
    show: Callable[[str], None],
    say: Callable[[str], None],
    *,
    as_json: bool,
    **options: Any,
) -> int:
    """Build documents and show what became of each; the exit status of `modflow pdf`."""
    build_time()  # what is wrong with it is to be known before the work, and said once
    paths = documents(names)
    width = max(len(shown(path.stem)) for path in paths)
    done: list[Built] = []
    interrupted = False
    try:
        for built in _with_progress(paths, out, options):
            done.append(built)
            if not as_json:
                show(_line(built, width))
    except KeyboardInterrupt:
        interrupted = True
    if as_json:
        done.sort(key=lambda built: paths.index(built.path))
        show(json_text("pdf", [built.to_dict() for built in done]))
    else:
        show(_summary(done, out))
    if interrupted:
        say(f"interrupted; documents done: {len(done)} of {len(paths)}")
    found = {built.status for built in done}
    if "failed" in found:
        return 1
    if found & {"refused", "partial"}:
        return 2
    return 3 if interrupted else 0


def watch_all(
    names: Sequence[str],
    out: Path,
    show: Callable[[str], None],
    say: Callable[[str], None],
    **options: Any,
) -> int:
    """Build documents again and again; the exit status of `modflow pdf --watch`."""
    from .watch import watch

    build_time()

    def tell(told: Built | ModflowError | str) -> None:
        if isinstance(told, Built):
            show(_line(told, 0))
        elif isinstance(told, str):
            say(told)
        else:
            say(f"error: {' '.join(str(told).split())}")

    def waiting() -> None:
        say("waiting for changes; Ctrl-C ends it")

    watch(names, out, tell, waiting=waiting, **options)
    return 0


def _with_progress(paths: Sequence[Path], out: Path, options: dict[str, Any]) -> Iterator[Built]:
    """The documents one by one, with progress while waiting: a bar and a result do not mix."""
    bar: list[LateProgress] = []
    results = build(paths, out, progress=lambda what, share: bar[-1](what, share), **options)
    with closing(results):
        while True:
            with LateProgress("building documents") as progress:
                bar.append(progress)
                built = next(results, None)
            if built is None:
                return
            yield built


def _line(built: Built, width: int) -> str:
    found = f"{shown(built.name):<{width}}  {built.status:<7}"
    if built.status != "current":
        found += f"  {built.seconds:5.1f} s"
    if built.message:
        return f"{found}  {built.message}"
    if built.equations is not None:
        found += f"  {built.equations} equation{'s' * (built.equations != 1)}"
    return found


def _summary(done: Sequence[Built], out: Path) -> str:
    count = Counter(built.status for built in done)
    parts = [f"{count[status]} {status}" for status in get_args(Status) if count[status]]
    return f"{len(done)} document{'s' * (len(done) != 1)}: {', '.join(parts) or 'none'}; in {out}"
