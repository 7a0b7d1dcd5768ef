"""Links as they work on the site. In the sources they are those that work in a plain checkout.

A notebook's link goes to the page made from it. What lies outside of docs/ is not on the site: its
link becomes its text.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]+)\]\((?P<target>[^)\s:#]+)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Rewrite the page's links."""
    folder = posixpath.dirname(page.file.src_uri)

    def rewritten(link: re.Match[str]) -> str:
        if posixpath.normpath(posixpath.join(folder, link["target"])).startswith(".."):
            return link["text"]
        if link["target"].endswith(".ipynb"):
            target = link["target"].removesuffix(".ipynb")
            return f"[{link['text']}]({target}.md{link['anchor'] or ''})"
        return link[0]

    return LINK.sub(rewritten, markdown)
