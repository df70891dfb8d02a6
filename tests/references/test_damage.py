"""References that are damaged, or never were any: errors of ours, when they are opened."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasters import write_tif

import virtual_flac
from virtual_flac.errors import (
    FlacError,
    ReferencesError,
    SelectionError,
    SourceError,
    SourceNotFoundError,
)
from virtual_flac.publish import publish

KINDS = ["json", "parquet", "icechunk"]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("good")
    tif = write_tif(folder / "a.tif", np.arange(1, 5001, dtype="uint16").reshape(1, 50, 100))
    virtual_flac.write_flac(tif, folder / "a.flac", tile_size=32)
    targets = {kind: folder / f"a.{kind}" for kind in KINDS}
    for target in targets.values():
        publish(folder / "a.flac", target)
    return targets


def outcome(target: Path, **options: Any) -> str | None:
    """What an error of ours says when it is opened and read; None when nothing is wrong."""
    said = None
    try:
        with virtual_flac.open_references(target, **options) as dataset:
            pixels = dataset.band_data.to_numpy() if "band_data" in dataset else np.zeros(0)
    except FlacError as error:
        said = str(error)
    if said is None:
        right = np.arange(1, 5001)
        assert np.isnan(pixels).all() or np.isin(pixels, right).all()
    else:
        assert target.name in said or "band_data, chunk (0, 0, 0)" in said, said
        assert "\n" not in said
    return said


def test_what_is_missing_is_said(good: dict[str, Path], tmp_path: Path):
    for kind, target in good.items():
        with pytest.raises(SourceNotFoundError, match=r"no such (file|folder)"):
            virtual_flac.open_references(tmp_path / f"no.{kind}")
        with pytest.raises(SelectionError, match="has no group 'overview_9'"):
            virtual_flac.open_references(target, group="overview_9")
        with pytest.raises(TypeError):
            virtual_flac.open_references(target, group=5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="unexpected keyword"):
            virtual_flac.open_references(target, no_such_option=1)
        with pytest.raises(SelectionError, match="chunks must be"):
            virtual_flac.open_references(target, chunks="many")
    with pytest.raises(TypeError, match="registry is of type int"):
        virtual_flac.open_references(good["json"], registry=5)  # type: ignore[arg-type]
    for url in ("http://[::1", "http://[::1/a.json", "http://[::1/a.icechunk"):
        with pytest.raises(SourceError, match="is no URL"):
            virtual_flac.open_references(url)
        with pytest.raises(SourceError, match="is no URL"):
            virtual_flac.read_index(url)
    for place in ("http://127.0.0.1:1/./a", "http://127.0.0.1:1/b/%2e%2e/a", "s3://bucket/b/../a"):
        with pytest.raises(SourceError, match="Could not parse path"):
            virtual_flac.read_index(f"{place}.flac", virtual_flac.registry_for(place))


def texts() -> Iterator[tuple[str, str]]:
    """Documents that hold no references, and what is said of them."""
    none = "holds no kerchunk references"
    for text in ("5", "null", '"refs"', "[]", "{}", '{"refs": 5}', '{"refs": []}'):
        yield text, none
    for text in ("", "{", '{"refs": {', "\udcff"):
        yield text, "is not JSON"
    yield '{"refs":' + "[" * 10**5 + "]" * 10**5 + "}", "nested too deeply"
    yield '{"refs": {"a/.zarray": "' + "[" * 10**5 + '"}}', "nested too deeply"
    yield '{"refs": {"a": 5}}', r"a is 5; expected text or \[path, offset, length\]"
    yield '{"refs": {"a/0": ["{{u}}", 0, 1]}, "templates": {"u": "x"}}', "made of templates"
    yield '{"refs": {}, "gen": [{}]}', "made of templates"
    huge = '{\\"shape\\": [1099511627776], \\"chunks\\": [1]}'
    yield f'{{"refs": {{"a/.zarray": "{huge}"}}}}', "room for 1099511627776 chunks"


def test_documents_that_hold_none(tmp_path: Path):
    target = tmp_path / "a.json"
    for text, said in texts():
        target.write_text(text, "utf-8", "surrogateescape")
        with pytest.raises(ReferencesError, match=said):
            virtual_flac.open_references(target)


ODD: list[Any] = [None, 5, -1, "x", [], {}, [0], [-1, 2, 3], [2**70] * 3, ["a"], 1e400]


def damaged(refs: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """What may be wrong with one entry: the entry itself, its JSON, a value in that."""
    metadata = [key for key in refs if key.rpartition("/")[2] in (".zarray", ".zattrs", ".zgroup")]
    for key in metadata:
        for text in (5, None, "{", "[]", "5", "null", "[" * 10**5):
            yield f"{key} {text!s:.9}", {**refs, key: text}
        document = json.loads(refs[key])
        for name, value in itertools.product(document, ODD):
            changed = {**refs, key: json.dumps({**document, name: value})}
            yield f"{key} {name} {value!s:.20}", changed
        for name in document:
            rest = {other: kept for other, kept in document.items() if other != name}
            yield f"{key} without {name}", {**refs, key: json.dumps(rest)}
    [flac] = {entry[0] for entry in refs.values() if isinstance(entry, list)}
    for entry in (
        5, {}, [], [5], ["a", 1], ["a", "b", "c"], [flac, -1, 5], [flac, 0, 2**70], [flac],
        [flac, 1.5, 5], [None, 1, 2], ["http://[::1", 0, 5], ["x\0", 0, 5], ["foo://x", 0, 5],
        "base64:!!!", "garbage", [[], 0, 1],
    ):  # fmt: skip
        yield f"chunk {entry}", {**refs, "band_data/0.0.0": entry}
    for key in ("", "a", "band_data/9.9.9", "band_data/a.b", "band_data/0.0.0.0", "nope/.zarray"):
        yield f"key {key}", {**refs, key: "{}" if "zarray" in key else [flac, 0, 1]}
    yield "no coordinate", {**refs, "x/0": "garbage"}


def try_damage(good: dict[str, Path], folder: Path, step: int) -> None:
    document = json.loads(good["json"].read_text())
    target = folder / "a.json"
    failed = 0
    for number, (what, refs) in enumerate(damaged(document["refs"])):
        if number % step:
            continue
        target.write_text(json.dumps({"version": 1, "refs": refs}))
        try:
            failed += outcome(target, cache=False) is not None
        except BaseException as error:
            raise AssertionError(what) from error
    assert failed


def test_damaged_entries(good: dict[str, Path], tmp_path: Path):
    try_damage(good, tmp_path, 13)


@pytest.mark.exhaustive
def test_all_damaged_entries(good: dict[str, Path], tmp_path: Path):
    try_damage(good, tmp_path, 1)


def test_damaged_folders(good: dict[str, Path], tmp_path: Path):
    changes = [b"", b"garbage" * 20, b'{"metadata":5}', None]
    for kind in ("parquet", "icechunk"):
        inside = [path for path in sorted(good[kind].rglob("*")) if path.is_file()]
        failed = 0
        # Icechunk keeps what is not needed any more.
        names = ("repo", "snapshots", "manifests", ".zmetadata", "refs.0.parq")
        needed = [path for path in inside if path.name in names or path.parent.name in names]
        for number, path in enumerate(needed):
            target = tmp_path / f"{number}.{kind}"
            shutil.copytree(good[kind], target)
            part = target / path.relative_to(good[kind])
            new = changes[number % len(changes)]
            part.write_bytes(part.read_bytes()[:-9] if new is None else new)
            failed += outcome(target) is not None
        assert failed >= len(needed) // 2
