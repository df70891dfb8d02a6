"""Paths and URLs: one spelling for each name, and no name that means two files."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from rasters import write_tif

import virtual_flac
from virtual_flac.errors import FlacError, SourceError, TargetError
from virtual_flac.io.addresses import fully_quoted, local_path, move, object_path
from virtual_flac.io.stores import registry_for, resolve, to_url

#: What names may hold, the signs that mean something somewhere most of all.
NAMES = st.text(
    st.one_of(
        st.sampled_from(list("%?#;&+ \"'[]*{}\\~:@!$(),=<>|^`-.äß\u0308😀\u202e")),
        st.sampled_from(["%20", "%2F", "%C3%A4", "::", "://"]).map(lambda text: text[:1]),
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"),
    ),
    min_size=1,
).filter(lambda name: name not in (".", ".."))


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_every_name_comes_back(names: list[str]) -> None:
    path = Path("/data", *names)
    url = to_url(path)
    assert local_path(url) == path
    assert object_path(url) == str(path)
    assert to_url(url) == to_url(path.as_uri()) == url
    assert unquote(fully_quoted(url)) == f"file://{path}"
    _, found = resolve(registry_for(url), url)
    assert f"/{found}" == str(path)
    for base in ("https://example.com/a b", "file:///new/ä"):
        web = to_url(move(url, "file:///data/", f"{to_url(base)}/"))
        assert to_url(web) == web
        for found in (object_path(web), resolve(registry_for(web), web)[1]):
            assert found.split("/")[-len(names) :] == names
    if not {"?", "#"} & set("".join(names)):
        assert to_url(move(url, "file:///data/", "s3://b/")) == "s3://b/" + "/".join(names)


def test_quoted_and_literal_names_are_two_files(tmp_path: Path) -> None:
    """What a URL means does not depend on which files there are."""
    names = ["a b", "a%20b", "a%2520b"]
    for number, name in enumerate(names):
        data = np.full((1, 4, 5), number, "uint8")
        tif = write_tif(tmp_path / f"{name}.tif", data)
        virtual_flac.write_flac(tif, tmp_path / f"{name}.flac")
    for number, name in enumerate(names):
        path = tmp_path / f"{name}.flac"
        for source in (path, str(path), path.as_uri(), to_url(path), f"file://localhost{path}"):
            source = source.replace("%", "%25") if str(source).startswith("file://l") else source
            ds = xr.open_dataset(source, engine="flac", mask_and_scale=False)
            assert (ds.band_data == number).all(), source


def test_what_no_url_of_a_file_is() -> None:
    for text, words in (
        ("file:///a#b.flac", "Write it as %23, or give the path"),
        ("file:///a?b.flac", "Write it as %3F, or give the path"),
        ("file://elsewhere/a.flac", "names the machine 'elsewhere'"),
        ("file:///a%FF.flac", r"a\\udcff.flac: the name holds bytes that are not UTF-8"),
        ("file:///a%0Ab.flac", r"a\\nb.flac: the name holds a control character"),
        ("http://example.com/a%0Ab.flac", "control character"),
        ("http://example.com/%FF.flac", "not UTF-8"),
        ("s3://bucket/a\nb.flac", "control character"),
        ("a\0b.flac", r"a\\x00b.flac: the name holds a control character"),
        ("~nobody\x1b/x.flac", "control character"),
        (os.fsdecode(b"a\xff.flac"), "not UTF-8"),
    ):
        with pytest.raises(SourceError, match=words):
            to_url(text)
        with pytest.raises(SourceError, match=words):
            virtual_flac.read_index(text)


def test_links_lead_where_the_system_says(tmp_path: Path) -> None:
    """Not to the folder that stands in front of the two dots."""
    inner = tmp_path / "far" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "link").symlink_to(inner)
    for folder, value in ((tmp_path, 1), (tmp_path / "far", 2)):
        tif = write_tif(folder / "a.tif", np.full((1, 4, 5), value, "uint8"))
        virtual_flac.write_flac(tif, folder / "a.flac")
    source = f"{tmp_path}/link/../a.flac"
    assert virtual_flac.compare(source, tmp_path / "far" / "a.tif").identical
    assert virtual_flac.compare(f"{tmp_path}/link/../a.tif", tmp_path / "far" / "a.tif").identical
    assert to_url(f"{tmp_path}/link/../a.flac") == to_url(tmp_path / "far" / "a.flac")


def test_a_tilde_is_a_name_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")
    assert to_url("~/a.flac") == "file:///somewhere/a.flac"
    assert to_url("~x.flac") == to_url(tmp_path / "~x.flac")
    (tmp_path / "~").mkdir()
    assert to_url("~/a.flac") == to_url(tmp_path / "~" / "a.flac")


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "a\x7fb", "a\x85b", os.fsdecode(b"a\xffb")])
def test_nothing_is_written_that_no_url_can_name(tmp_path: Path, name: str) -> None:
    """Neither as a file nor in a folder of such a name; and it is said in printable words."""
    tif = write_tif(tmp_path / "a.tif", np.zeros((1, 4, 5), "uint8"))
    flac = tmp_path / "a.flac"
    virtual_flac.write_flac(tif, flac)
    cube = virtual_flac.stack([flac], values=[1], dim="t")
    (tmp_path / name).mkdir()
    before = sorted(tmp_path.rglob("*"))
    for target in (tmp_path / f"{name}.", tmp_path / name / "x."):
        for write in (
            lambda target: virtual_flac.write_flac(tif, f"{target}flac"),
            lambda target: virtual_flac.write_geotiff(flac, f"{target}tif"),
            lambda target: virtual_flac.extract(flac, f"{target}png"),
            lambda target: virtual_flac.preview(flac, f"{target}png"),
            lambda target: virtual_flac.write_kerchunk(cube, f"{target}json"),
            lambda target: virtual_flac.write_kerchunk(cube, f"{target}parquet"),
            lambda target: virtual_flac.write_icechunk(cube, f"{target}icechunk"),
        ):
            with pytest.raises(TargetError, match=r"holds (bytes that are|a control)") as error:
                write(target)
            assert str(error.value).isprintable()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_raster_of_such_a_name_is_still_read(tmp_path: Path) -> None:
    """GDAL takes what URLs do not; and refuses with words what it does not take either."""
    tif = write_tif(tmp_path / "a.tif", np.ones((1, 4, 5), "uint8"))
    tif.rename(tmp_path / "a\n\x1b.tif")
    virtual_flac.write_flac(tmp_path / "a\n\x1b.tif", tmp_path / "a.flac")
    assert virtual_flac.compare(tmp_path / "a\n\x1b.tif", tmp_path / "a.flac").identical
    (tmp_path / "a\n\x1b.tif").rename(tmp_path / os.fsdecode(b"\xff.tif"))
    for source in (tmp_path / os.fsdecode(b"\xff.tif"), f"{tmp_path}/a.flac\0.tif"):
        for read in (virtual_flac.info, virtual_flac.preview, virtual_flac.query):
            with pytest.raises(FlacError, match="the name holds"):
                read(source)


def test_gdal_sees_no_driver_in_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("s3:a.tif", "zip:a.tif", "GTIFF_DIR:1:a.tif", "file:a.tif", "-a.tif", "a#?.tif"):
        write_tif(tmp_path / name, np.ones((1, 4, 5), "uint8"))
        for source in (name, Path(name), f"./{name}", tmp_path / name, (tmp_path / name).as_uri()):
            assert virtual_flac.info(source).sizes == ((5, 4),), source
            virtual_flac.write_flac(source, "a.flac", overwrite=True)


def test_options_of_buckets_are_not_for_the_web() -> None:
    urls = ["https://example.com/a.flac", "s3://bucket/b.flac"]
    registry = registry_for(urls, region="eu-west-1", client_options={"timeout": "9s"})
    assert [type(resolve(registry, url)[0]).__name__ for url in urls] == ["HTTPStore", "S3Store"]
    with pytest.raises(SourceError, match="region"):
        registry_for(urls[:1], region="eu-west-1")
