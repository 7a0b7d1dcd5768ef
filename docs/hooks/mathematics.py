"""Mathematics as MathML, made when the site is built: no script, and nothing from elsewhere.

`pymdownx.arithmatex` finds $...$ and $$...$$ in Markdown and leaves TeX in elements of the class
"arithmatex"; pandoc, which the extra `pdf` needs anyway, makes MathML of all formulas of a page at
once. What it cannot read stops the build.

Browsers need a font with a MATH table, which many machines lack: the site brings what it uses of
STIX Two Math (SIL Open Font License), which lies in the wheel of ziamath.
"""

from __future__ import annotations

import html
import json
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mkdocs.exceptions import PluginError

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
TAG = re.compile(r"\\tag\{([^{}]*)\}")
ANNOTATION = re.compile(r"<annotation\b.*?</annotation>|</?semantics>", re.DOTALL)

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
PRIMES = set("′″‴⁗")
FONT = "assets/STIXTwoMath.woff"
"""As assets/modflow.css has it."""
ITALICS = "ℎ" + "".join(map(chr, (*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C))))
"""What browsers show for the single letters of formulas."""

_used: set[str] = set()


def on_page_content(content: str, /, *, page: Any, **_: Any) -> str:
    """Put MathML in the place of every formula of the page."""
    found = [
        (m["tag"] == "div", html.unescape(m["tex"]).strip()) for m in FORMULA.finditer(content)
    ]
    if not found:
        return content
    try:
        made = mathml(found)
    except RuntimeError as error:
        raise PluginError(f"mathematics in {page.file.src_uri}: {error}") from error
    _used.update(*(re.sub(r"<[^>]*>", "", html.unescape(one)) for one in made))
    rest = iter(made)
    return FORMULA.sub(lambda _: next(rest), content)


def on_post_build(*, config: Any, **_: Any) -> None:
    """Write the font, with the characters of all pages and what they are made of when they grow."""
    from fontTools import subset

    options = subset.Options(flavor="woff", layout_features=["*"], notdef_outline=True)
    source = distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf")
    font = subset.load_font(str(source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=ITALICS + "".join(sorted(_used)))
    subsetter.subset(font)
    subset.save_font(font, str(Path(config.site_dir, FONT)), options)


def mathml(formulas: list[tuple[bool, str]]) -> list[str]:
    """MathML of (displayed?, TeX) pairs; RuntimeError with pandoc's words for what is no TeX.

    >>> mathml([(False, "h")])
    ['<math display="inline" xmlns="http://www.w3.org/1998/Math/MathML"><mi>h</mi></math>']
    """
    import pypandoc

    blocks = [
        {
            "t": "Para",
            "c": [
                {
                    "t": "Math",
                    "c": [{"t": "DisplayMath" if block else "InlineMath"}, TAG.sub("", tex)],
                }
            ],
        }
        for block, tex in formulas
    ]
    text = pypandoc.convert_text(
        json.dumps({"pandoc-api-version": [1, 23], "meta": {}, "blocks": blocks}),
        "html",
        format="json",
        extra_args=["--mathml", "--wrap=none", "--fail-if-warnings"],
    )
    made = re.findall(r"<p>(<math\b.*?</math>)</p>", ANNOTATION.sub("", text), re.DOTALL)
    if len(made) != len(formulas):
        raise RuntimeError(f"pandoc made {len(made)} formulas of {len(formulas)}")
    return [
        _displayed(one, TAG.search(tex)) if block else one
        for one, (block, tex) in zip(map(_with_primes, made), formulas, strict=True)
    ]


def _with_primes(formula: str) -> str:
    """Primes beside their letters: they are raised already, and would be too small above."""
    if not PRIMES & set(formula):
        return formula
    math = ElementTree.fromstring(formula)
    for power in math.iter(f"{{{NAMESPACE}}}msup"):
        if power[1].text in PRIMES:
            power.tag = f"{{{NAMESPACE}}}mrow"
            power[1].attrib.update(form="postfix", lspace="0", rspace="0")
    ElementTree.register_namespace("", NAMESPACE)
    return ElementTree.tostring(math, encoding="unicode")


def _displayed(formula: str, tag: re.Match[str] | None) -> str:
    number = f'<span class="number">({html.escape(tag[1])})</span>' if tag else ""
    return f'<div class="display">{formula}{number}</div>'
