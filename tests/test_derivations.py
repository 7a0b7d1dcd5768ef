"""The documents that come with modflow: all of their equations hold, and can fail to."""

from pathlib import Path

import pytest

from modflow.documents import StepError
from modflow.documents.write import load

FOLDER = Path(__file__).parent.parent / "derivations"
DOCUMENTS = sorted(path.stem for path in FOLDER.glob("*.py"))

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
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_equation_of_a_document_holds(name):
    document, _ = load(FOLDER / f"{name}.py")
    text = document.markdown()
    assert document.counts
    assert text.startswith("# ")
    assert r"\begin{document}" in document.latex()


@pytest.mark.parametrize(("name", "right", "wrong"), MUTATIONS)
def test_a_sign_or_a_factor_stops_the_build_at_the_step(name, right, wrong, tmp_path):
    source = (FOLDER / f"{name}.py").read_text()
    assert source.count(right) == 1, "the mutation has to name one place"
    (tmp_path / "references.bib").write_bytes((FOLDER / "references.bib").read_bytes())
    mutant = tmp_path / f"{name}.py"
    mutant.write_text(source.replace(right, wrong))
    with pytest.raises(StepError, match=rf"{name}\.py:\d+: step \d+ of {name} does not hold"):
        load(mutant)
