"""The documents that come with modflow: all of their equations hold, and can fail to."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pypdf
import pytest

from modflow import __version__
from modflow.claims import claim_named
from modflow.documents import StepError
from modflow.documents.write import load, write

FOLDER = Path(__file__).parent.parent / "derivations"
DOCUMENTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "audit")
"""But for the audit, which runs all claims: `modflow verify` does in CI."""

# (document, what stands in its source, something slightly wrong instead)
MUTATIONS = [
    ("gradient_descent", '"C*h**(p+1)*((1+h*L)**k - 1)/L"', '"C*h**(p+1)*((1+h*L)**k + 1)/L"'),
    ("gradient_descent", '"D**2 + 4*u**2*v**2"', '"D**2 + 2*u**2*v**2"'),
    ("gradient_descent", '"-2*h*E*D", label="eq:decay"', '"2*h*E*D", label="eq:decay"'),
    ("gradient_descent", '"(1 - 2*h**2*E)*D"', '"(1 - 2*h*E)*D"'),
    (
        "series_with_memory",
        '"(1 - beta**(k+1))/(1 - beta)", label="eq:a1"',
        '"(1 - beta**k)/(1 - beta)", label="eq:a1"',
    ),
    (
        "series_with_memory",
        '"-(1 - 2*beta**(k+1) + beta**(2*k+2))/(1 - beta)**2"',
        '"-(1 - beta**(k+1) + beta**(2*k+2))/(1 - beta)**2"',
    ),
    (
        "series_with_memory",
        '"-(1 - (2*k+1)*(1 - beta)*beta**k - beta**(2*k+1))/(1 - beta)**3"',
        '"-(1 - (2*k+3)*(1 - beta)*beta**k - beta**(2*k+1))/(1 - beta)**3"',
    ),
    (
        "series_with_memory",
        '"-gamma_k*(1 + beta)/(2*(1 - beta)**3)", label="eq:b2"',
        '"-gamma_k*(1 - beta)/(2*(1 - beta)**3)", label="eq:b2"',
    ),
    (
        "stability",
        '"t**2 - (1 + beta - z)*t + beta", label="eq:p"',
        '"t**2 - (1 + beta + z)*t + beta", label="eq:p"',
    ),
    ("stability", '"2*beta/(1 + 2*beta)"', '"beta/(1 + 2*beta)"'),
    (
        "stability",
        '"(1 - beta)**2 - 2*(1 + beta)*z + z**2"',
        '"(1 - beta)**2 - (1 + beta)*z + z**2"',
    ),
    ("two_layer", '"D**2 + 4*(w1*w2)**2"', '"D**2 + 2*(w1*w2)**2"'),
    ("two_layer", '"-x*r*w2", label="eq:d1"', '"x*r*w2", label="eq:d1"'),
    ("two_layer", '"-x**2*s*r"', '"-2*x**2*s*r"'),
    ("two_layer", '"D - h**2*x**2*r**2*D"', '"D + h**2*x**2*r**2*D"'),
    (
        "noise_injection",
        "mean(g.dot(bilinear)), SIGMA**2 * jet",
        "mean(g.dot(bilinear)), 2 * SIGMA**2 * jet",
    ),
    (
        "noise_injection",
        "+ quarter * h * SIGMA**2 * jet(JetPolynomial({CROSS: 1}))",
        "+ half * h * SIGMA**2 * jet(JetPolynomial({CROSS: 1}))",
    ),
    ("noise_injection", "h**2*sigma**2*a**3/24", "h**2*sigma**2*a**3/12"),
    (
        "noise_injection",
        '"(1 - beta**(2*r + 2))/(1 - beta**2)"',
        '"(1 - beta**(2*r))/(1 - beta**2)"',
    ),
    ("noise_injection", '"(1 - h*lambda_)*(1 - h*mu)*w"', '"(1 - h*lambda_)*(1 + h*mu)*w"'),
    ("theorem_5_1", '"beta**(j + n - i)*(2 - (1', '"beta**(j + n - i)*(1 - (1'),
    ("theorem_5_1", "(beta * (table + square))", "(table + beta * square)"),
    ("theorem_5_1", "4 * factor", "2 * factor"),
    ("theorem_5_1", '"(1 + beta)/(1 - beta)**3"', '"(1 + beta)/(1 - beta)**2"'),
    ("theorem_5_1", "beta * S_ij + weight(j + n, i)", "weight(j + n + 1, i)"),
    ("theorem_5_1", 'PRINTED["memory"].subs({k: j + n,', 'PRINTED["memory"].subs({k: j + n + 1,'),
    (
        "expectation_and_variance",
        '"gamma*(1 + beta)/(1 - beta)**3"',
        '"gamma*(1 + beta)/(1 - beta)**2"',
    ),
    ("expectation_and_variance", "past, (s, 0, k - 1))", "past, (s, 0, k))"),
    ("expectation_and_variance", '.true["F"]', '.printed["F"]'),
    ("expectation_and_variance", "beta**l * c", "beta**(2*l) * c"),
    ("expectation_and_variance", "- M*(1 - beta**2) + 2*beta", "+ M*(1 - beta**2) + 2*beta"),
    ("expectation_and_variance", '.true["reduction"]', '.printed["reduction"]'),
    ("expectation_and_variance", '"(M + 1)/6*h**2*v"', '"(M - 1)/6*h**2*v"'),
    ("stability", '"1/sqrt(1 - 2*c*s + s**2)"', '"1/sqrt(1 + 2*c*s + s**2)"'),
    ("stability", "* s**n, (n, 0, sympy.oo))", "* s**n, (n, 1, sympy.oo))"),
    ("theorem_4_1", "half * D**2 + S", "half * D**2 - S"),
    ("theorem_4_1", '"2*(k+1)*beta**(k+1)/(1 - beta)**2"', '"2*k*beta**(k+1)/(1 - beta)**2"'),
    ("theorem_4_1", "(d + half * c**2)", "(d + c**2)"),
    ("theorem_4_1", "beta**i * D_back**2", "beta**i * D_back**3"),
    ("theorem_4_1", "SINCE = sympy.Sum(D_back, (i, 1, m))", "SINCE = sympy.Sum(D_back, (i, 0, m))"),
    ("beyond_the_paper", '"z + beta*(1/rho - 1)"', '"z + beta*(1 - 1/rho)"'),
    ("beyond_the_paper", "D_i**3 + 2 * D_i * S_i", "D_i**3 + D_i * S_i"),
    ("beyond_the_paper", "-half * F_Y - F_T", "-F_Y - F_T"),
    (
        "beyond_the_paper",
        '"-(1 - beta**(k+1))**3/(6*(1 - beta)**3)"',
        '"-(1 - beta**k)**3/(6*(1 - beta)**3)"',
    ),
    ("beyond_the_paper", "h**tree.order / tree.free_symmetry", "h**tree.order / tree.symmetry"),
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_equation_of_a_document_holds_and_its_pdf_is_whole(name, tmp_path, fonts_of):
    written = write(FOLDER / f"{name}.py", tmp_path, "typst")
    assert written.equations > 30
    assert (tmp_path / f"{name}.md").read_text().startswith("# ")
    assert r"\begin{document}" in (tmp_path / f"{name}.tex").read_text()
    if written.missing:
        pytest.skip(written.missing)
    reader = pypdf.PdfReader(tmp_path / f"{name}.pdf")
    assert 2 <= len(reader.pages) <= 6
    assert reader.metadata.title
    assert reader.metadata.author == "The modflow developers"
    assert __version__ in reader.metadata.subject
    assert len(reader.outline) > 4
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert not re.findall(r"\\[A-Za-z]+|\$|\[\[|@(?:eq|thm|sec|fig|tab):", text)  # raw TeX or marks
    assert "∇" in text  # mathematics is text
    assert fonts_of(reader)
    assert any("/Annots" in page for page in reader.pages)  # links


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_is_too_wide_in_latex_either(name, tmp_path):
    document, _ = load(FOLDER / f"{name}.py")
    document.save(tmp_path / "a.tex")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    log = (tmp_path / "a.log").read_text(errors="replace")
    wide = re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)
    assert [w for w in wide if float(w) > 2] == []


@pytest.mark.parametrize(("name", "right", "wrong"), MUTATIONS)
def test_a_sign_or_a_factor_stops_the_build_at_the_step(name, right, wrong, tmp_path):
    source = (FOLDER / f"{name}.py").read_text()
    assert source.count(right) == 1, "the mutation has to name one place"
    (tmp_path / "references.bib").write_bytes((FOLDER / "references.bib").read_bytes())
    mutant = tmp_path / f"{name}.py"
    mutant.write_text(source.replace(right, wrong))
    with pytest.raises(StepError, match=rf"{name}\.py:\d+: step \d+ of {name} does not hold"):
        load(mutant)


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", FOLDER / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_audit_has_verdict_evidence_and_correction_of_each_claim(audit):
    names = ["eq-3", "abstract-factor", "fig-2-accuracy"]
    text = audit.build([claim_named(name) for name in names]).markdown()
    assert "| eq-3 | Section 3 | confirmed |" in text
    assert r"\frac{1+\beta}{(1-\beta)^2}" in text  # what is true instead of the factor
    assert "modflow reproduce" in text  # what would decide the open one


@pytest.mark.parametrize(
    ("name", "formula", "wrong"),
    [
        ("eq-3", "regularizer", "h/2"),
        ("thm-4.1-drift", "drift", "(1-beta**k)/(1-beta)"),
        ("sec-7-trace-term", "trace", "sigma**2/2"),
        ("rem-5.3-F", "F", "((g1-g2)**2)/4"),
    ],
)
def test_a_verdict_that_is_not_on_record_stops_the_audit(audit, name, formula, wrong):
    with pytest.raises(StepError, match=rf"audit\.py:\d+: .* the claim {name} .* on record"):
        audit.build([claim_named(name).misprinted(**{formula: wrong})])
