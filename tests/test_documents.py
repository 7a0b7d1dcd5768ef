"""Documents: what they display is proved, and what nobody proves they do not display."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
import sympy
from matplotlib.figure import Figure

import modflow as mf
from modflow.documents import Document, Induction, StepError, Substitution, Theorem
from modflow.documents.engines import missing
from modflow.documents.formulas import read_expression
from modflow.documents.quantities import TensorSymbol
from modflow.documents.typeset import typeset
from modflow.documents.vocabulary import elementary, field, gradient, jet
from modflow.errors import ModflowError, NotAGradient
from modflow.gaussian import E
from modflow.series import Tree, trees_up_to

pypdf = pytest.importorskip("pypdf")
k, beta, h = sympy.symbols("k beta h")
NEEDS_TYPST = pytest.mark.skipif(missing("typst") is not None, reason=str(missing("typst")))
NEEDS_TEX = pytest.mark.skipif(missing("latex") is not None, reason=str(missing("latex")))


# -- steps ---------------------------------------------------------------------------------------

STEPS = {
    "binomial": ("(1 - beta)**2", "1 - 2*beta + beta**2", "1 - beta + beta**2"),
    "powers": ("beta**(2*k + 2)", "(beta**(k + 1))**2", "(beta**k)**2"),
    "sum": ("Sum(beta**j, (j, 0, k))", "(1 - beta**(k + 1))/(1 - beta)", "(1-beta**k)/(1-beta)"),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_right_equation_is_shown_and_a_slightly_wrong_one_stops_the_document(name):
    left, right, wrong = STEPS[name]
    document = Document("Steps")
    document.equation(left, right, label="eq:one")
    assert r"\tag{1}" in document.markdown()
    with pytest.raises(StepError, match=r"test_documents\.py:\d+: step 2 of .* does not hold"):
        document.equation(left, wrong)
    assert document.markdown().count("$$") == 2


def test_the_message_has_both_sides_and_their_difference():
    document = Document("Messages")
    with pytest.raises(StepError) as error:
        document.equation("beta + 1", "beta + 3")
    text = str(error.value)
    assert "beta + 1" in text
    assert "beta + 3" in text
    assert "difference -2" in text
    assert "\n" not in text


def test_every_link_of_a_chain_is_proved():
    document = Document("Chains")
    document.equation("1 - beta**2", "(1 - beta)*(1 + beta)", "1 - beta*beta")
    with pytest.raises(StepError):
        document.equation("1 - beta**2", "(1 - beta)*(1 + beta)", "1 + beta*beta")
    with pytest.raises(StepError):
        document.equation("1 - beta**2", "(1 - beta)*(1 - beta)", "1 - beta*beta")


def test_a_definition_is_marked_and_its_name_stands_for_its_meaning():
    document = Document("Names")
    gamma = document.define(r"\gamma_k", 1 - beta ** (k + 1), name="gamma", label="eq:gamma")
    document.equation("gamma", "1 - beta*beta**k")
    document.equation(gamma**2, 1 - 2 * beta ** (k + 1) + beta ** (2 * k + 2))
    with pytest.raises(StepError):
        document.equation(gamma, 1 - beta**k)
    text = document.markdown()
    assert r"\gamma_k := 1 - \beta^{k + 1} \tag{1}" in text
    assert "<sub>definition</sub>" in text
    with pytest.raises(ModflowError, match="defined twice"):
        document.define(r"\gamma", 1, name="gamma")
    with pytest.raises(ModflowError, match="nobody checks"):
        document.define(r"\gamma = 1", 1)


def test_expansions_hold_up_to_the_power_that_is_stated():
    document = Document("Expansions")
    document.equation("1/(1 - h)", "1 + h + h**2", modulo=(h, 3))
    assert "+ O(h^{3})" in document.markdown()
    with pytest.raises(StepError):
        document.equation("1/(1 - h)", "1 + h + h**2", modulo=(h, 4))


def test_a_substitution_needs_the_earlier_equation_and_its_sides():
    document = Document("Substitution")
    document.equation("1 - beta**(2*k)", "(1 - beta**k)*(1 + beta**k)", label="eq:all")
    document.equation("1 - beta**2", "(1 - beta)*(1 + beta)", by=Substitution("eq:all", {k: 1}))
    assert "[(1)](#eq-all), $k = 1$" in document.markdown()
    with pytest.raises(StepError):
        document.equation("1 - beta**4", "(1 - beta**2)*(1 + beta**2)", by=Substitution("eq:all"))
    with pytest.raises(ModflowError, match="did you mean 'eq:all'"):
        document.equation("beta", "beta", by=Substitution("eq:al"))


def test_a_theorem_needs_a_reference_and_its_cases_can_contradict_it(tmp_path):
    n = sympy.Symbol("n")
    references = tmp_path / "r.bib"
    references.write_text("@book{hlw, author={Hairer, Ernst}, title={Numbers}, year={2006}}")
    document = Document("Theorems", bibliography=references)
    stated = "n*(n + 1)/2", sympy.binomial(n + 1, 2)
    cases = [{n: 2}, {n: 5}]
    document.equation(*stated, by=Theorem("Gauss", "[@hlw, p. 3]", cases=cases))
    assert "Gauss (Hairer, 2006, p. 3)" in document.markdown()
    with pytest.raises(ModflowError, match="needs a reference"):
        document.equation(*stated, by=Theorem("Gauss", "", cases))
    with pytest.raises(ModflowError, match=r"needs cases=\[\.\.\.\] that can be checked"):
        document.equation(*stated, by=Theorem("Gauss", "[@hlw]", []))
    with pytest.raises(StepError):
        document.equation("n*n/2", stated[1], by=Theorem("Gauss", "[@hlw]", cases=cases))


def test_induction_needs_its_start_and_its_step():
    document = Document("Induction")
    geometric = sympy.Sum(beta ** sympy.Symbol("j"), (sympy.Symbol("j"), 0, k))
    document.equation(geometric, (1 - beta ** (k + 1)) / (1 - beta), by=Induction(k))
    for wrong in [(1 - beta**k) / (1 - beta), (2 - beta ** (k + 1)) / (1 - beta)]:
        with pytest.raises(StepError):
            document.equation(geometric, wrong, by=Induction(k))


def test_formulas_of_the_engine_are_compared_in_f_and_in_the_loss():
    equation = mf.modified_equation(mf.GradientDescent(), 2)
    document = Document("The engine")
    right = -gradient(equation.modified_loss())
    document.equation(field(equation), right)
    node, chain = Tree(), Tree([Tree()])
    document.equation(field(equation), elementary(node) - h / 2 * elementary(chain))
    for wrong in [elementary(node) + h / 2 * elementary(chain), elementary(node)]:
        with pytest.raises(StepError):
            document.equation(field(equation), wrong)
    square = E.gradient().dot(E.gradient())
    document.equation(gradient(square), 2 * elementary(chain).meaning)
    with pytest.raises(StepError):
        document.equation(gradient(square), elementary(chain).meaning)
    assert jet(square) == sympy.Symbol(r"\|\nabla E\|^2") or str(jet(square))


# -- what may not be said ------------------------------------------------------------------------

ACCIDENTS = {
    "inline": "so $a = b$",
    "display": "$$\na = b\n$$",
    "display in a paragraph": "so $$ a = b $$ holds",
    "plain text": "so a = b",
    "an entity": "so a &equals; b",
    "a code point": "so a &#61; b",
    "equivalence": r"$a \equiv b$",
    "approximation": r"$a \approx 2$",
    "a sign of Unicode": "a ≡ b",
    "in a fraction": r"$\frac{a = b}{2}$",
    "in words": r"$\text{a = b}$",
    "below a letter alone": r"$x_1 = 2$",
    "an assumption that is an equation": r"$\given{a + b = c}$",
    "a macro": r"$\def\e{=} a \e b$",
    "a character by its number": r"$a \char61 b$",
    "a heading": "# a = b",
    "a table": "| a | b |\n|---|---|\n| x | y = z |",
    "a list": "- x\n- y = z",
    "a link": "[a = b](https://example.org)",
    "emphasis": "*a = b*",
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_no_equality_is_displayed_by_accident(name):
    document = Document("Accidents")
    with pytest.raises(ModflowError, match=r"test_documents\.py:\d+: "):
        document.text(ACCIDENTS[name])
    assert not document.finished().blocks


def test_captions_cells_titles_and_values_are_no_way_round():
    document = Document("Ways round")
    for attempt in (
        lambda: document.table(["a"], [["x = y"]]),
        lambda: document.table(["$a = b$"], [["x"]]),
        lambda: document.table(["a"], [["x"]], caption="$a = b$"),
        lambda: document.text("[[v]]", v="a = b"),
        lambda: document.text("$[[v]]$", v="a = b"),
        lambda: document.statement("theorem", "a = b").__enter__(),
        lambda: document.define("x", "a = b"),
        lambda: document.equation("a", "b = b"),
        lambda: document.equal("a", "b"),
    ):
        with pytest.raises(ModflowError):
            attempt()


def test_definitions_assumptions_indices_code_and_quotations_are_no_assertions():
    document = Document("Allowed")
    document.text(
        r"Let $g := \nabla E$ and $\given{\beta = 0}$; $\sum_{j=0}^{k} \beta^j$, `x = 1`."
    )
    document.quote("They say\n$$ a = b $$", "Someone, (5)", label="eq:said")
    text = document.markdown()
    assert r"$\beta = 0$" in text
    assert r"a = b \tag{1}" in text
    assert "quotation" in text
    assert document.counts["quotation"] == 1


def test_an_inline_equality_is_proved():
    document = Document("Inline")
    document.text("Here [[e]].", e=document.equal("(1 - beta)*(1 + beta)", "1 - beta**2"))
    assert r"Here $(1 - \beta) (1 + \beta) = 1 - \beta^{2}$." in document.markdown()
    with pytest.raises(StepError):
        document.equal("(1 - beta)*(1 + beta)", "1 + beta**2")


# -- bad input -----------------------------------------------------------------------------------


def test_unknown_labels_values_and_keys_are_named(tmp_path):
    document = Document("Unknown")
    document.equation("1", "1", label="eq:one")
    document.text("See @eq:on.")
    with pytest.raises(ModflowError, match=r"py:\d+: unknown label 'eq:on': did you mean 'eq:one'"):
        document.markdown()
    with pytest.raises(ModflowError, match="unknown value 'x'"):
        document.text("[[x]]")
    with pytest.raises(ModflowError, match="used twice"):
        document.equation("1", "1", label="eq:one")
    cited = Document("Cited")
    cited.text("See [@nobody].")
    with pytest.raises(ModflowError, match="no bibliography"):
        cited.markdown()
    with pytest.raises(ModflowError, match="cannot read"):
        Document("Figures").figure(tmp_path / "none.pdf", caption="None.")
    with pytest.raises(ModflowError, match="vector graphics"):
        Document("Figures").figure(tmp_path / "a.png", caption="None.")
    with pytest.raises(ModflowError, match="no formula that SymPy can read"):
        document.equation("1 +* 2", "3")
    with pytest.raises(ModflowError, match=r"calculates with \(x, x\), which is no number"):
        document.equation("x", "x + (x, x)")
    with pytest.raises(ModflowError, match="unknown kind of statement"), document.statement("law"):
        pass
    with pytest.raises(ModflowError, match="cannot have a image"):
        document.text("![a](b.png)")


# -- PDF -----------------------------------------------------------------------------------------


def example():
    document = Document(
        "Gradient descent, naïvely",
        authors=("Zoë Müller", "Иван Петров"),
        abstract=r"The flow of $x \mapsto x + h f(x)$.",
        keywords=("flows",),
    )
    document.text(
        "# Prose {#sec:prose}\n\nSee @eq:square in @sec:prose, and https, [here](https://example.org)."
    )
    document.equation("1 - beta**2", "(1 - beta)*(1 + beta)", label="eq:square")
    with document.statement("theorem", "on squares", label="thm:squares"):
        document.text("It holds.")
    with document.proof():
        document.text("By @eq:square.")
    document.table(
        [r"$\tau$", "σ"], [[t, t.symmetry] for t in trees_up_to(4)], caption="Trees.", align="cr"
    )
    figure = Figure(figsize=(3, 2))
    figure.add_subplot().plot([1, 2], [1, 4])
    document.figure(figure, caption="A line.", label="fig:line", description="a line")
    return document


def check_pdf(path, fonts_of, *, outline):
    reader = pypdf.PdfReader(path)
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert "Gradient descent" in text
    assert "identity" in text
    assert "(1)" in text
    assert reader.metadata.title == "Gradient descent, naïvely"
    assert "Müller" in reader.metadata.author
    links = [
        link.get_object()
        for page in reader.pages
        for link in page.get("/Annots") or []
        if link.get_object()["/Subtype"] == "/Link"
    ]
    assert any("/URI" in link.get("/A", {}) for link in links)
    assert any("/Dest" in link or "/D" in link.get("/A", {}) for link in links)
    if outline:
        assert any("Prose" in item.title for item in reader.outline)
    assert fonts_of(reader)
    assert not re.search(r"\\[a-z]{2,}|\$|\*\*", text)
    return text


@NEEDS_TYPST
def test_the_pdf_has_fonts_links_an_outline_metadata_and_selectable_mathematics(tmp_path, fonts_of):
    path = tmp_path / "a.pdf"
    example().save(path)
    text = check_pdf(path, fonts_of, outline=True)
    assert "naïvely" in text
    assert "𝛽" in text
    assert "Петров" in pypdf.PdfReader(path).metadata.author


@NEEDS_TYPST
def test_the_same_document_has_the_same_bytes(tmp_path, monkeypatch):
    a, b = tmp_path / "a.pdf", tmp_path / "b.pdf"
    example().save(a)
    example().save(b)
    assert a.read_bytes() == b.read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ModflowError, match="SOURCE_DATE_EPOCH has to be"):
        example().save(a)


@NEEDS_TYPST
def test_a_formula_that_does_not_fit_is_named(tmp_path):
    document = Document("Wide")
    wide = "(" + " + ".join(f"alpha_{i}**2" for i in range(1, 40)) + ")*beta"
    document.equation(wide, wide)
    with pytest.raises(ModflowError, match=r"test_documents\.py:\d+: a formula is \d+ points wide"):
        document.save(tmp_path / "wide.pdf")


def test_without_the_extra_markdown_and_latex_are_written_and_the_message_says_what_to_install(
    tmp_path, monkeypatch
):
    from modflow.documents import write

    monkeypatch.setattr(write, "missing", lambda engine: "typst missing: install 'modflow[pdf]'")
    source = tmp_path / "note.py"
    source.write_text(
        "from modflow.documents import Document\n"
        "document = Document('Note')\n"
        "document.equation('1 + 1', '2')\n"
    )
    written = write.write(source, tmp_path, "typst")
    assert {path.name for path in written.files} == {"note.md", "note.tex"}
    assert "modflow[pdf]" in written.missing
    with pytest.raises(ModflowError, match="modflow"):
        example().save(tmp_path / "a.pdf")


# -- a document for any method -------------------------------------------------------------------


@NEEDS_TYPST
def test_derive_writes_a_document_for_a_method(run, tmp_path):
    status, _, _ = run("derive", "heavy-ball", "--order", "3", "--pdf", str(tmp_path / "hb.pdf"))
    assert status == 0
    text = "\n".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "hb.pdf").pages)
    for part in ("update rule", "Trees and coefficients", "modified loss", "not a gradient"):
        assert part in text


@NEEDS_TYPST
def test_wide_formulas_of_a_method_have_named_parts(tmp_path):
    from modflow.documents.of_method import document_of

    document = document_of(mf.methods.QuasiHyperbolicMomentum(), 4)
    assert r"\nu \beta p_{" in document.markdown()
    document.save(tmp_path / "wide.pdf")  # which refuses formulas that are wider than the page


def test_a_rule_whose_first_steps_differ_has_a_document_too():
    from modflow.documents.of_method import document_of

    @dataclass(frozen=True)
    class Optimistic(mf.Method):
        a: Any = mf.parameter("a")

        def start(self, x):
            return 0 * x

        def step(self, f, h, x, last):
            g = f(x)
            return x + h * ((1 + self.a) * g - self.a * last), g

    text = document_of(Optimistic(), 3).markdown()
    assert "A condition in square brackets is one where it holds" in text
    assert r"- \frac{1}{2} + a - \frac{a (4 + a) [k = 0]}{2} + a^{2} [k = 1]" in text


@pytest.mark.parametrize("name", mf.methods.METHODS)
def test_every_method_has_a_document(name):
    """Also one whose start has a value of f of its own, as the dampened heavy ball's."""
    from modflow.documents.of_method import document_of

    assert "x^{k+1} :=" in document_of(mf.methods.method_named(name), 1).markdown()


def test_stages_of_several_implicit_methods_have_names_of_their_own():
    from modflow.documents.of_method import document_of

    both = mf.Composition((mf.tableau("implicit-euler"), mf.tableau("implicit-midpoint")))
    text = document_of(both, 2).markdown()
    assert r"Y_{1} := x^{k} + h \, g_{1}" in text
    assert text.count("Y_{2} :=") == 1


def test_the_document_of_a_method_rejects_a_wrong_coefficient(monkeypatch):
    from modflow.documents import of_method

    right = of_method.modified_equation

    def wrong(method, order, limit=False):
        equation = right(method, order, limit=limit)
        chain = Tree([Tree()])
        return equation.with_coefficients({chain: equation.coefficients[chain] * 2})

    of_method.document_of(mf.HeavyBall(), 2)
    monkeypatch.setattr(of_method, "modified_equation", wrong)
    with pytest.raises(ModflowError):
        of_method.document_of(mf.HeavyBall(), 2)


def test_the_loss_of_a_document_is_the_one_that_exists():
    from modflow.documents.of_method import document_of

    text = document_of(mf.HeavyBall(), 3).markdown()
    assert "is not a gradient" in text
    with pytest.raises(NotAGradient):
        mf.modified_equation(mf.HeavyBall(), 3).modified_loss()
    assert "is not a gradient" not in document_of(mf.HeavyBall(), 2).markdown()


# -- LaTeX ---------------------------------------------------------------------------------------


@NEEDS_TEX
def test_the_same_document_by_tex(tmp_path, fonts_of):
    document = example()
    document.authors = ("Zoë Müller",)
    path = tmp_path / "a.pdf"
    document.save(path, engine="latex")
    check_pdf(path, fonts_of, outline=True)


@pytest.mark.parametrize(
    ("coefficient", "shown"),
    [
        ("1 - beta", r"(1 - \beta) \, f"),
        ("-(1 - beta)", r"(- 1 + \beta) \, f"),
        ("(1 - beta)/(1 + beta)", r"\frac{1 - \beta}{1 + \beta} \, f"),
        ("h*(1 - beta)", r"h (1 - \beta) \, f"),
    ],
)
def test_a_sum_before_a_vector_stands_in_brackets(coefficient, shown):
    vector = TensorSymbol("f")
    value = sympy.sympify(coefficient, {"beta": sympy.Symbol("beta")})
    assert typeset(value * vector) == shown


@NEEDS_TYPST
def test_letters_of_europe_have_glyphs_and_what_is_no_character_has_none():
    from modflow.documents.glyphs import without_glyph

    assert without_glyph("é Ł ß П Ε ∇ ℝ ∥ “”") == []
    assert without_glyph("a\ufdd0é") == []  # category C: nothing to be drawn
    assert without_glyph("é\U0001f9ff") == ["\U0001f9ff"]


@NEEDS_TYPST
def test_characters_that_no_font_has_are_refused_and_not_left_out(tmp_path, monkeypatch):
    from modflow.documents import glyphs

    found = glyphs.without_glyph
    monkeypatch.setattr(glyphs, "without_glyph", lambda chars, system_fonts=False: found(chars))
    document = Document("Glyphs")
    document.text("Amulet \U0001f9ff.")
    with pytest.raises(ModflowError, match=r"no font on this machine has .* \(U\+1F9FF\): install"):
        document.save(tmp_path / "a.pdf")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-(1 + beta)", r"- (1 + \beta)"),
        ("k - (1 + beta)", r"k - (1 + \beta)"),
        ("-(1 + beta)/2", r"- \frac{1 + \beta}{2}"),
        ("k - (1 + beta)*(k - (2 - beta))", r"k - (1 + \beta) (k - (2 - \beta))"),
        ("2*(k + 1)", "2 (k + 1)"),
        ("(k + 1)/(-(k - 1))", r"\frac{k + 1}{- (k - 1)}"),
        ("(-(k - 1))**2", "(- (k - 1))^{2}"),
    ],
)
def test_what_is_shown_means_what_was_written(text, shown):
    assert typeset(read_expression(text, {}), as_written=True) == shown
