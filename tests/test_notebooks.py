"""Notebooks: they run from top to bottom, are stored without outputs and define no functions."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def code_cells(path: Path) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text("utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@each_notebook
def test_it_is_stored_without_outputs(path: Path) -> None:
    for cell in code_cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@each_notebook
def test_it_defines_no_functions(path: Path) -> None:
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    for cell in code_cells(path):
        code = "".join(cell["source"])
        assert not [node for node in ast.walk(ast.parse(code)) if isinstance(node, definitions)]


# Exhaustive: the documentation is built with all of them, executed.
@pytest.mark.exhaustive
@each_notebook
def test_it_runs(path: Path, tmp_path: Path) -> None:
    command = shutil.which("jupyter-execute", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("skipped: no jupyter execute (dependency group notebooks)")
    copy = tmp_path / path.name
    shutil.copy(path, copy)
    # A home of its own: no kernel and no setting of the user's.
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run(
        [command, copy.name],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
