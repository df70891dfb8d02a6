"""References name no secret, and from elsewhere no file of this machine, unless that is allowed."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from click.testing import CliRunner
from rasters import write_tif

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import SourceError, SourcePermissionError
from virtual_flac.gdal.remote import remote_settings
from virtual_flac.io.addresses import fully_quoted
from virtual_flac.io.stores import resolve, to_url
from virtual_flac.publish import publish
from virtual_flac.references.locations import source_urls
from virtual_flac.references.target import Target
from virtual_flac.virtual.manifests import chunk_tables, with_tables

PRIVATE = b"private"
#: How a path is spelled that kerchunk, fsspec or VirtualiZarr would read.
SPELLINGS = (
    "{path}", "..{path}", "{relative}", "./{relative}", "file://{path}", "FILE://{path}",
    "file:{path}", "file://localhost{path}", "local://{path}", "simplecache::file://{path}",
    "http:{path}", "{{{{u}}}}{path}",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raster with three kinds of references to it by its path."""
    folder = tmp_path_factory.mktemp("trust")
    pixels = np.arange(2000, dtype=np.int16).reshape(1, 40, 50)
    tif = write_tif(folder / "2026-01-01.tif", pixels)
    virtual_flac.write_flac(tif, tif.with_suffix(".flac"), tile_size=32)
    for suffix in ("json", "parquet", "icechunk"):
        publish([tif.with_suffix(".flac")], folder / f"cube.{suffix}", cube={"dim": "time"})
    return folder


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def references(entry: Any) -> str:
    array = {
        "zarr_format": 2, "shape": [7], "chunks": [7], "dtype": "|u1", "fill_value": None,
        "compressor": None, "filters": None, "order": "C",
    }  # fmt: skip
    refs = {
        ".zgroup": '{"zarr_format":2}', "a/.zarray": json.dumps(array),
        "a/.zattrs": '{"_ARRAY_DIMENSIONS":["x"]}', "a/0": entry,
    }  # fmt: skip
    return json.dumps({"version": 1, "templates": {"u": ""}, "refs": refs})


def test_no_spelling_of_a_local_file_is_read(
    tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    private = tmp_path / "private"
    private.write_bytes(PRIVATE)
    (tmp_path / "www").mkdir()
    server = range_server(tmp_path / "www")
    path = tmp_path / "www" / "a.json"
    for spelling in SPELLINGS:
        name = spelling.format(path=private, relative=str(private).lstrip("/"))
        for entry in ([name, 0, len(PRIVATE)], [name]):
            path.write_text(references(entry))
            for target in (f"{server.url}/a.json", f"HTTP{server.url[4:]}/a.json"):
                with pytest.raises(SourceError) as error:
                    virtual_flac.open_references(target).a.to_numpy()
                if target == f"{server.url}/a.json":
                    assert "allow_local=True (--allow-local)" in str(error.value), name
    # Whose file it is may say so; what lies here may name what lies here.
    path.write_text(references([str(private), 0, len(PRIVATE)]))
    for found in (
        virtual_flac.open_references(f"{server.url}/a.json", allow_local=True),
        virtual_flac.open_references(path),
    ):
        assert found.a.to_numpy().tobytes() == PRIVATE
    # Other places are not of this machine; references may hold bytes of their own.
    (tmp_path / "www" / "public").write_bytes(PRIVATE)
    for entry in ([f"{server.url}/public", 0, len(PRIVATE)], PRIVATE.decode()):
        path.write_text(references(entry))
        found = virtual_flac.open_references(f"{server.url}/a.json")
        assert found.a.to_numpy().tobytes() == PRIVATE


def test_every_kind_and_every_reader(
    folder: Path, tmp_path: Path, range_server: Callable[..., Any], s3_server: Any
) -> None:
    server = range_server(folder)
    parts = {
        f"cube.parquet/{path.relative_to(folder / 'cube.parquet')}": path
        for path in (folder / "cube.parquet").rglob("*")
        if path.is_file()
    }
    options = s3_server.upload("trust", parts)
    pixels = rasterio.open(folder / "2026-01-01.tif").read()
    for target, given in {
        f"{server.url}/cube.json": {},
        f"{server.url}/cube.icechunk": {},
        "s3://trust/cube.parquet": {"store_options": options},
    }.items():
        # Icechunk says so when a chunk is read: to list them all before costs requests.
        for read in (
            lambda t=target, g=given: virtual_flac.open_references(t, **g).band_data.to_numpy(),
            lambda t=target, g=given: virtual_flac.info(t, **g),
            lambda t=target, g=given: virtual_flac.preview(t, **g),
        ):
            with pytest.raises(SourcePermissionError, match=r"on this machine.*allow_local=True"):
                read()
        opened = virtual_flac.open_references(target, allow_local=True, **given)
        np.testing.assert_array_equal(opened.band_data[0], pixels)
        assert virtual_flac.info(target, allow_local=True, **given).files == 1
        assert virtual_flac.preview(target, allow_local=True, **given).rgba.shape == (40, 50, 4)
    for words in (["info"], ["preview", "-o", tmp_path / "a.png"]):
        target = f"{server.url}/cube.icechunk"
        refused = run(*words, target)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "--allow-local" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert run(*words, target, "--allow-local").exit_code == 0


def test_appending_reads_nothing_of_this_machine(folder: Path, s3_server: Any) -> None:
    """A repository whose columns are said to stand in a local file is not asked for them."""
    target = "s3://append/cube.icechunk"
    options = s3_server.upload("append", {"in/2026-01-02.flac": folder / "2026-01-01.flac"})
    first = virtual_flac.stack([folder / "2026-01-01.flac"])
    virtual_flac.write_icechunk(first, target, store_options=options)
    second = ["s3://append/in/2026-01-02.flac"]
    # The path of a source may be local: it is written, not read.
    publish(second, target, append=True, store_options=options)
    from virtual_flac.references.icechunk_settings import storage

    session = icechunk.Repository.open(storage(target, options)).writable_session("main")
    group = zarr.open_group(session.store, mode="r+")
    columns = group.create_array(
        "x", shape=(50,), chunks=(50,), dtype="f8", dimension_names=["x"], compressors=None,
        overwrite=True,
    )  # fmt: skip
    (folder / "columns").write_bytes(first.x.to_numpy().tobytes())
    session.store.set_virtual_ref(
        f"{columns.path}/c/0",
        fully_quoted(to_url(folder / "columns")),
        offset=0,
        length=400,
        validate_container=False,
    )
    session.commit("point to a file")
    with pytest.raises(SourcePermissionError, match=r"refers to /.* on this machine"):
        publish(
            second, target, append=True, store_options=options,
            cube={"values": [np.datetime64("2026-01-03")]},
        )  # fmt: skip
    with pytest.raises(SourcePermissionError, match="on this machine"):
        virtual_flac.open_references(target, store_options=options)


def test_items_from_elsewhere(
    folder: Path, tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    (tmp_path / "www").mkdir()
    server = range_server(tmp_path / "www")
    path = tmp_path / "www" / "items.json"
    item: dict[str, Any] = {
        "type": "Feature", "id": "one", "links": [], "assets": {},
        "properties": {"datetime": "2026-01-01T00:00:00Z"},
    }  # fmt: skip
    for base, href in (
        (None, f"file://{folder}/2026-01-01.flac"), (f"file://{folder}/", "2026-01-01.flac"),
        (f"file://{folder}/", "/2026-01-01.flac"),
    ):  # fmt: skip
        item["links"] = [{"rel": "self", "href": base}] if base else []
        item["assets"] = {"data": {"href": href, "type": "audio/flac"}}
        path.write_text(json.dumps(item))
        with pytest.raises(SourcePermissionError, match="item one names"):
            virtual_flac.stack(f"{server.url}/items.json")
    # From the root of the server, not of this machine.
    item["links"], item["assets"]["data"]["href"] = [], "/sub/2026-01-01.flac"
    path.write_text(json.dumps(item))
    (tmp_path / "www" / "sub").mkdir()
    (tmp_path / "www" / "sub" / "2026-01-01.flac").hardlink_to(folder / "2026-01-01.flac")
    assert virtual_flac.stack(f"{server.url}/items.json").sizes["time"] == 1
    item["assets"]["data"]["href"] = f"{folder}/2026-01-01.flac"
    path.write_text(json.dumps(item))
    assert virtual_flac.stack(path).sizes["time"] == 1


def test_kerchunk_itself_reads_what_it_is_told(
    tmp_path: Path, range_server: Callable[..., Any]
) -> None:
    """What docs/security says of it."""
    (tmp_path / "private").write_bytes(PRIVATE)
    (tmp_path / "www").mkdir()
    server = range_server(tmp_path / "www")
    text = references([str(tmp_path / "private"), 0, len(PRIVATE)])
    (tmp_path / "www" / "a.json").write_text(text)
    found = xr.open_dataset(f"{server.url}/a.json", engine="kerchunk")
    assert found.a.to_numpy().tobytes() == PRIVATE


# --- Secrets --------------------------------------------------------------------------------------

SECRET = "PLANTED"
LOCATIONS = (
    f"https://me:{SECRET}@example.com/a.flac", f"HTTPS://{SECRET}@example.com/a.flac",
    f"https://example.com/a.flac?X-Amz-Signature={SECRET}", f"s3://key:{SECRET}@bucket/a.flac",
)  # fmt: skip


def refused(call: Callable[[], Any]) -> None:
    with pytest.raises(SourceError) as error:
        call()
    told = "".join(traceback.format_exception(error.value))
    assert SECRET not in told
    assert "***" in told


def test_references_with_secrets_are_neither_read_nor_written(folder: Path, tmp_path: Path) -> None:
    registry = virtual_flac.registry_for([tmp_path, "https://example.com", "s3://bucket"])
    vds = virtual_flac.stack([folder / "2026-01-01.flac"])
    (url,) = source_urls(vds)
    for location in LOCATIONS:
        for entry in ([location, 0, 7], [location]):
            (tmp_path / "a.json").write_text(references(entry))
            refused(lambda: virtual_flac.open_references(tmp_path / "a.json"))
            refused(lambda: virtual_flac.open_references(tmp_path / "a.json", registry=registry))
            refused(lambda: virtual_flac.info(tmp_path / "a.json"))
        (tmp_path / "a.json").unlink()
        for suffix in ("json", "parquet", "icechunk", "flac"):
            target = location.replace("a.flac", f"a.{suffix}")
            refused(lambda t=target: virtual_flac.open_references(t))
        tables = {name: found.renamed({url: location}) for name, found in chunk_tables(vds).items()}
        theirs = with_tables(vds, tables)
        refused(lambda v=theirs: virtual_flac.write_kerchunk(v, tmp_path / "a.json"))
        refused(lambda v=theirs: virtual_flac.write_kerchunk(v, tmp_path / "a.parquet"))
        refused(lambda v=theirs: virtual_flac.write_icechunk(v, tmp_path / "a.icechunk"))
        refused(lambda u=location: virtual_flac.FLACParser()(u, registry))
        refused(
            lambda u=location: publish(
                [folder / "2026-01-01.flac"], tmp_path / "a.json", base_url=u
            )
        )
    assert not list(tmp_path.iterdir())


def test_a_repository_with_secrets(tmp_path: Path) -> None:
    config = icechunk.RepositoryConfig.default()
    config.set_virtual_chunk_container(
        icechunk.VirtualChunkContainer("https://example.com/", icechunk.http_store({}))
    )
    target = tmp_path / "a.icechunk"
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(target)), config)
    repository.save_config()
    session = repository.writable_session("main")
    array = zarr.group(session.store).create_array(
        "a", shape=(7,), chunks=(7,), dtype="u1", dimension_names=["x"], compressors=None
    )
    session.store.set_virtual_ref(f"{array.path}/c/0", LOCATIONS[2], offset=0, length=7)
    session.commit("a signed URL")
    refused(lambda: virtual_flac.info(target))


def test_values_show_no_keys() -> None:
    keys = {"secret_access_key": SECRET, "session_token": SECRET, "access_key_id": "me"}
    registry = virtual_flac.registry_for("s3://bucket/a.flac", **keys)
    seen = [registry, *resolve(registry, "s3://bucket/a.flac"), Target("s3://bucket/a.json", keys)]
    assert SECRET not in repr(seen)
    assert SECRET not in str(remote_settings("s3://bucket/a.tif", registry))
