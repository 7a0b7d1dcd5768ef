"""What contributors run, each in an environment of its own: `nox -l` lists it.

`bash .ci/run` is what decides; these are its parts, and what takes longer.
"""

import nox

nox.options.sessions = ["lint", "tests", "docs"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, in as many processes as there are processors; arguments go to pytest."""
    session.install(".[test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Studies of minutes to hours."""
    session.install(".[test]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines the tests reach, in other processes too: a table, and htmlcov/index.html."""
    session.install("-e", ".[test]", "pytest-cov>=6")
    session.run(
        "pytest", "-n", "auto", "--cov", "--cov-report=term", "--cov-report=html", *session.posargs
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Linters, types, layers."""
    session.install(".[dev]")
    for command in ("ruff check .", "ruff format --check .", "mypy", "lint-imports"):
        session.run(*command.split())


@nox.session
def docs(session: nox.Session) -> None:
    """The site, in the folder site; with `nox -s docs -- serve` at a local address, made anew as
    pages change."""
    session.install(".[docs]")
    if "serve" in session.posargs:
        session.run("mkdocs", "serve")
    else:
        session.run("mkdocs", "build", "--strict", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """One script: `nox -s benchmarks -- derive`."""
    session.install(".[test]")
    for name in session.posargs or ["plugin_startup"]:
        session.run("python", f"benchmarks/{name}.py")
