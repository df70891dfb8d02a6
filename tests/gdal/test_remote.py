"""GeoTIFFs behind URLs: GDAL is told what stores are told, or that is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import obstore.store
import pytest
from click.testing import CliRunner
from obspec_utils.registry import ObjectStoreRegistry
from rasters import make
from servers import url_of

import virtual_flac
from virtual_flac.cli.commands import app
from virtual_flac.errors import FlacError, SourceError
from virtual_flac.gdal.remote import remote_settings


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def settings(url: str, **options: Any) -> dict[str, str]:
    found = remote_settings(url, virtual_flac.registry_for(url, **options))
    return found["session"].get_credential_options()


@pytest.fixture
def bucket(tmp_path: Path, s3_server: Any, monkeypatch: Any) -> tuple[Path, list[str]]:
    """A GeoTIFF and its FLAC in a bucket, and the words that open it; the environment misleads."""
    source = make("overviews", tmp_path)
    virtual_flac.write_flac(source, tmp_path / "a.flac", tile_size=32)
    options = s3_server.upload("geotiffs", {"a.tif": source, "a.flac": tmp_path / "a.flac"})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    words = ["client_options.allow_http=true"]
    words += [f"{key}={value}" for key, value in options.items() if not isinstance(value, dict)]
    return source, [part for word in words for part in ("--store-option", word)]


def test_every_command_reads_a_bucket_as_it_is_told(
    bucket: tuple[Path, list[str]], tmp_path: Path, s3_server: Any
):
    source, words = bucket
    tif, flac = "s3://geotiffs/a.tif", "s3://geotiffs/a.flac"
    assert run("compare", tif, flac, *words).exit_code == 0
    assert run("compare", source, flac, *words).exit_code == 0
    assert run("verify", flac, *words).exit_code == 0
    for url in (tif, flac):
        done = run("info", url, *words, "--json")
        assert json.loads(done.stdout)["file_bytes"] > 0
        assert run("preview", url, "-o", tmp_path / f"{url[-3:]}.png", *words).exit_code == 0
        part = tmp_path / f"{url[-3:]}.part.tif"
        assert run("extract", url, "-o", part, "--window", "0,0,9,9", *words).exit_code == 0
        done = run("convert", url, "-o", tmp_path / f"{url[-3:]}.flac", *words)
        assert done.exit_code == 0, done.output
        assert virtual_flac.compare(tmp_path / f"{url[-3:]}.flac", source).identical
    # GDAL remembers what it has read.
    s3_server.upload("geotiffs", {"b.tif": source, "c.tif": source})
    wrong = [word.replace(s3_server.secret_access_key, "wrong") for word in words]
    for options, fresh in (([*words, "--anonymous"], "b.tif"), (wrong, "c.tif")):
        url = f"s3://geotiffs/{fresh}"
        for command in (["compare", url, source], ["info", url], ["verify", flac]):
            done = run(*command, *options)
            assert (done.exit_code, done.stdout) == (1, ""), (command, options)
            assert s3_server.secret_access_key not in done.output


def test_requests_carry_the_headers_of_the_store(tmp_path: Path, range_server: Any):
    make("uint8", tmp_path)
    server = range_server(tmp_path)
    url = url_of(server, "uint8.tif")
    registry = virtual_flac.registry_for(url, client_options={"user_agent": "asked/1"})
    assert virtual_flac.compare(url, tmp_path / "uint8.tif", registry=registry).identical
    assert settings(url, client_options={"default_headers": {"a": "b", "c": "d"}})[
        "GDAL_HTTP_HEADERS"
    ] == ("a: b\r\nc: d")
    assert settings(url, client_options={"user_agent": "asked/1", "timeout": "9s"}) == {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_USERAGENT": "asked/1",
    }


def test_options_in_the_words_of_gdal(monkeypatch: Any):
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE"):
        monkeypatch.delenv(name, raising=False)
    common = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
    assert settings("s3://b/x.tif", aws_region="eu-west-1", skip_signature=True) == {
        **common, "AWS_REGION": "eu-west-1", "AWS_NO_SIGN_REQUEST": "YES",
    }  # fmt: skip
    assert settings(
        "s3://b/x.tif", endpoint="https://e.example", access_key_id="k", secret_access_key="s",
        virtual_hosted_style_request=True,
    ) == {
        **common, "AWS_S3_ENDPOINT": "e.example", "AWS_HTTPS": "YES", "AWS_VIRTUAL_HOSTING": "YES",
        "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
    }  # fmt: skip
    assert settings("gs://b/x.tif", skip_signature=True) == {**common, "GS_NO_SIGN_REQUEST": "YES"}
    assert settings("az://c/x.tif", account_name="me", sas_token="sv=1&sig=2") == {
        **common, "AZURE_STORAGE_ACCOUNT": "me", "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=2",
    }  # fmt: skip
    assert remote_settings("/here/x.tif", ObjectStoreRegistry()) == {}
    assert remote_settings("zip+https://x.example/a.zip!b.tif", ObjectStoreRegistry()) == common


def test_what_gdal_has_not_is_refused_without_the_value():
    url = "s3://b/x.tif"
    with pytest.raises(SourceError, match="nothing like the store's metadata_endpoint") as caught:
        settings(url, metadata_endpoint="http://tellnobody", skip_signature=True)
    assert isinstance(caught.value, FlacError)
    assert "tellnobody" not in str(caught.value)
    store = obstore.store.S3Store(
        "b",
        region="x",
        credential_provider=lambda: {"access_key_id": "k", "secret_access_key": "s"},
    )
    with pytest.raises(SourceError, match="credential_provider"):
        remote_settings(url, ObjectStoreRegistry({"s3://b": store}))
