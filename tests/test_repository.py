"""The repository keeps its word: one set of commands, no trace of any one machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

import virtual_flac

ROOT = Path(__file__).parents[1]
TASKS = ["demo", "test", "check", "bench", "notebooks", "docs"]
ENVIRONMENTS = ["default", "test", "test-min-versions", "docs"]
UV_RUN = re.compile(r"python3 -m uv run (?:--group \w+ )?")
# Put together here, so that this file does not hold what it forbids.
HOSTS = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb", "debian", "org"),
        ("anaconda", "org"),
        ("prefix", "dev"),
    ]
]
MACHINE_PATHS = re.compile(r"(?<![\w.}])/(?:work|root|home|Users|tmp|opt)/\w")


def load(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text("utf-8"))


def requirements(lines: list[Any]) -> dict[str, str]:
    """Map names to versions: ``["moto[s3]>=5.1"] -> {"moto": ">=5.1"}``."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"([\w-]+)(?:\[[\w,-]+\])?(.*)", line)
        assert match, line
        found[match[1]] = match[2]
    return found


@cache
def tracked_files() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("skipped: not a git checkout")
    listed = subprocess.run(
        [git, "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            found[path.relative_to(ROOT).as_posix()] = content.decode("utf-8", "replace")
    return found


def test_no_file_names_a_package_host():
    wrong = [f"{name}: {host}" for name, text in texts().items() for host in HOSTS if host in text]
    assert not wrong


def test_no_file_names_a_path_of_one_machine():
    wrong = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_lock_file_is_tracked():
    assert not [path for path in tracked_files() if path.name in {"uv.lock", "pixi.lock"}]


def table_of_commands() -> dict[str, tuple[str, str]]:
    """Return task -> (command with uv, command with pixi) from CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\w ]+) \| `(.+?)` \| `(.+?)` \|", text, re.MULTILINE)
    return {task: (uv, pixi) for task, uv, pixi in rows}


@pytest.mark.parametrize("task", TASKS)
def test_pixi_runs_what_the_table_of_tasks_says(task):
    pixi = load("pixi.toml")
    tables = [pixi, *pixi["feature"].values()]
    [command] = [table["tasks"][task]["cmd"] for table in tables if task in table.get("tasks", {})]
    with_uv, with_pixi = table_of_commands()[task]
    assert UV_RUN.sub("", with_uv) == command
    assert with_pixi == f"pixi run {task}"


def test_the_readme_starts_with_the_two_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "python3 -m pip install uv && python3 -m uv run virtual-flac demo\n" in readme
    assert "\npython3 -m uv run pytest\n" in readme


def test_ci_runs_the_tasks():
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    commands = {task: uv for task, (uv, _) in table_of_commands().items()}
    test = commands["test"]
    checks = [*commands["check"].split(" && "), commands["docs"], "bash tests/packaging.sh"]
    expected = [*checks, test, f"{test} -m exhaustive"]
    assert [line for line in lines if line in expected] == expected


def test_workflows_run_the_tasks():
    install = {"python3 -m pip install uv", "python3 -m pip install cibuildwheel"}
    commands = {task: uv for task, (uv, _) in table_of_commands().items()}
    expected = {
        "tests.yml": {"bash .ci/run", commands["test"], commands["oldest versions"]},
        "docs.yml": {commands["docs"]},
        "wheels.yml": {
            "bash tests/packaging.sh",
            "python3 -m cibuildwheel codecs --output-dir dist",
            "python3 -m uv build --all-packages --out-dir dist",
        },
    }
    folder = ROOT / ".github" / "workflows"
    assert {path.name for path in folder.iterdir()} == set(expected)
    for name, wanted in expected.items():
        jobs = yaml.safe_load((folder / name).read_text("utf-8"))["jobs"].values()
        steps = [step for job in jobs for step in job["steps"]]
        assert {step["run"] for step in steps if "run" in step} - install == wanted, name


def test_workflows_try_the_pythons_that_the_project_names():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    classifiers = " ".join(load("pyproject.toml")["project"]["classifiers"])
    named = re.findall(r"Python :: (3\.\d+)", classifiers)
    assert workflow["jobs"]["suite"]["strategy"]["matrix"]["python"] == named


def test_pixi_has_the_environments_and_installs_both_distributions():
    pixi = load("pixi.toml")
    assert set(ENVIRONMENTS) <= set(pixi["environments"])
    for environment in pixi["environments"].values():
        features = environment if isinstance(environment, list) else environment["features"]
        assert set(features) <= set(pixi["feature"])
    editable = {name: table["path"] for name, table in pixi["pypi-dependencies"].items()}
    assert editable == {"virtual-flac": ".", "zarr-flac": "codecs"}


def test_pixi_tests_with_the_dependencies_of_pyproject():
    groups = load("pyproject.toml")["dependency-groups"]
    features = load("pixi.toml")["feature"]

    def in_pixi(feature: str) -> dict[str, str]:
        tables = features[feature]["pypi-dependencies"]
        return {name: v if isinstance(v, str) else v["version"] for name, v in tables.items()}

    def in_groups(*names: str) -> dict[str, str]:
        lines = [line for name in names for line in groups[name] if isinstance(line, str)]
        found = requirements(lines)
        found.pop("virtual-flac", None)
        return found

    assert in_pixi("test") == in_groups("test", "dev")
    assert in_pixi("notebooks") == in_groups("notebooks")
    assert in_pixi("bench") == in_groups("bench")
    assert in_pixi("docs") == in_groups("docs")


def test_the_oldest_versions_are_the_floors():
    project = load("pyproject.toml")["project"]
    extras = project["optional-dependencies"]
    extra_lines = [line for name, lines in extras.items() if name != "all" for line in lines]
    floors = requirements([*project["dependencies"], *extra_lines])
    floors.pop("zarr-flac")
    oldest = load("pixi.toml")["feature"]["min-versions"]["pypi-dependencies"]
    assert oldest == {name: f"=={floor.removeprefix('>=')}.*" for name, floor in floors.items()}


def test_versions_agree():
    version = load("pyproject.toml")["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == version == virtual_flac.__version__


def test_the_extra_all_is_all():
    extras = load("pyproject.toml")["project"]["optional-dependencies"]
    [everything] = extras["all"]
    names = everything.removeprefix("virtual-flac[").removesuffix("]").split(",")
    assert set(names) == set(extras) - {"all"}


def test_no_gpl_at_run_time():
    project = load("pyproject.toml")["project"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    lines += load("codecs/pyproject.toml")["project"]["dependencies"]
    assert not {"flac-raster", "mutagen", "plibflac", "pyflac"} & set(requirements(lines))
