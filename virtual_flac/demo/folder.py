"""The demo's folder: which files in it are the demo's own. Knows the file system only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ..errors import SelectionError, TargetExistsError

#: Says what the demo made and measured; what it lists may be replaced, nothing else.
REPORT = "demo.json"
_MADE_BY = "virtual-flac demo"


def claim(folder: Path, names: list[str], *, keep: Path | None = None) -> None:
    """Make room for files in a folder: remove those an earlier demo made, and no others.

    Parameters
    ----------
    folder : Path
    names : list of str
        What is to be written.
    keep : Path, optional
        A file that must not be touched: the source.

    Raises
    ------
    TargetExistsError
        When a file or folder of one of these names is not the demo's; nothing is removed then.
    SelectionError
        When `keep` would be.
    """
    if folder.exists() and not folder.is_dir():
        raise TargetExistsError(f"{folder} is a file; choose another folder with --output")
    own = _own_files(folder)
    for name in [*names, REPORT]:
        if (folder / name).exists() and name not in own:
            raise TargetExistsError(
                f"{folder / name} exists and no demo made it; choose another folder with --output"
            )
    touched = [folder / name for name in {*names, *own} if (folder / name).exists()]
    if keep is not None and any(path.samefile(keep) for path in touched):
        raise SelectionError(f"{keep} lies where the demo writes; choose another --output")
    for name in own:
        _remove(folder / name)
    folder.mkdir(parents=True, exist_ok=True)


def write_report(folder: Path, result: dict[str, Any]) -> None:
    """Write the report, complete; before other files, so that a demo cut short is known as one."""
    part = folder / f".{REPORT}.part"
    text = json.dumps({"made_by": _MADE_BY, **result}, indent=2, allow_nan=False)
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(folder / REPORT)


def _own_files(folder: Path) -> set[str]:
    try:
        report = json.loads((folder / REPORT).read_text("utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(report, dict) or report.get("made_by") != _MADE_BY:
        return set()
    # Plain names only: a report that was tampered with reaches nothing outside.
    listed = [name for name in report.get("files", ()) if isinstance(name, str)]
    return {
        REPORT,
        *(name for name in listed if name == Path(name).name and name not in ("", "..")),
    }


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
