"""Every JSON document of a command follows the schema that it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main

from modflow import cli
from modflow.documents.engines import missing
from modflow.schemas import NAMES, VERSION, schema_text


def valid(name: str, text: str) -> Any:
    """The document, if it is one of the schema."""
    found = json.loads(text)
    validator(name).validate(found)
    for one in found if isinstance(found, list) else [found]:
        assert one["schema"] == f"modflow.{name}/{VERSION}"
    return found


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(schema_text(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "command",
    [
        "derive heavy-ball --order 3",
        "derive heavy-ball --order 3 --step 2",
        "derive rk4 --order 2",
        "derive nesterov --beta 0.5 --limit",
        "sweep --order 1 --h 2^-9:2^-13",
        "sweep --h 2,1,0.5",
        "sweep --problem digits-logistic --batches 4 --h 2^-4:2^-8 --order 1",
        "verify eq-3 abstract-factor fig-2-accuracy thm-4.1-gamma rem-5.3-coefficients",
        "figure fig-1 --out figure.svg",
        "info",
        "train --steps 2 --width 4 --h 0.1,1e9",
    ],
)
def test_documents_follow_their_schemas(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = command.split()
    outcome = run(*words, "--json")
    assert outcome.status in (0, 1, 3), outcome.err
    valid(words[0], outcome.out)


@pytest.mark.skipif(missing("typst") is not None, reason=str(missing("typst")))
def test_documents_of_pdf_follow_theirs(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.py").write_text("1 / 0\n")
    valid("pdf", run("pdf", "broken.py", "--json").out)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_refuses_what_it_does_not_describe(name: str, run: Callable[..., Any]) -> None:
    assert json.loads(run("schema", name).out) == json.loads(schema_text(name))
    for wrong in ({}, {"schema": f"modflow.{name}/{VERSION + 1}"}, [{}], 3):
        with pytest.raises(jsonschema.ValidationError):
            validator(name).validate(wrong)


def test_keys_that_the_design_promises_are_required() -> None:
    """Scripts of others read these."""
    promised = {
        "derive": "method parameters order normalisation coefficients",
        "sweep": "method parameters problem flow order T step_sizes errors observed_order interval "
        "constant predicted_constant verdict",
        "verify": "id source statement verdict corrected evidence",
    }
    for name, keys in promised.items():
        schema = json.loads(schema_text(name))
        required = (schema["items"] if name == "verify" else schema)["required"]
        assert set(keys.split()) <= set(required)


def test_all_commands_with_json_have_a_schema(refused: Callable[..., str]) -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    with_json = {
        name
        for name, command in commands.items()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert with_json == set(NAMES)
    assert "did you mean 'sweep'" in refused("schema", "swep")
