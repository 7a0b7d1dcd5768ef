"""The reference of the command line, from the program itself."""

from __future__ import annotations

from typing import Any

MARKER = "<!-- every command with its options -->"


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Put the reference in the place of its marker."""
    return markdown.replace(MARKER, reference()) if MARKER in markdown else markdown


def reference() -> str:
    """What `typer modflow.cli utils docs` prints of each command."""
    from typer import Context
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from modflow.cli import app

    group = get_command(app)
    context = Context(group, info_name="modflow")
    pages = (
        get_docs_for_click(
            obj=group.get_command(context, name), ctx=context, indent=1, call_prefix="modflow"
        )
        for name in group.list_commands(context)
    )
    return "\n".join(pages).replace("```console\n$ ", "```text\n")  # a form, no command
