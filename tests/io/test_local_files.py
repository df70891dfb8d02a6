"""Where files may be written to."""

from __future__ import annotations

from pathlib import Path

import pytest
from rasters import make

import virtual_flac
from virtual_flac.errors import TargetFolderError
from virtual_flac.io.local_files import check_target


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("s3://bucket/a/x.flac", "aws s3 cp x.flac s3://bucket/a/x.flac"),
        ("gs://bucket/x.flac", "obstore.put"),
        ("https://example.com/x.flac", "https://example.com/x.flac"),
    ],
)
def test_a_url_is_no_local_file(target, named):
    with pytest.raises(TargetFolderError, match="local files only") as caught:
        check_target(Path(target), overwrite=False)
    assert named in str(caught.value)
    assert target in str(caught.value)


def test_a_folder_may_be_called_as_it_likes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s3:").mkdir()
    check_target(Path("s3:/x.flac"), overwrite=False)
    with pytest.raises(TargetFolderError, match="no such folder"):
        check_target(Path("new/x.flac"), overwrite=False)


def test_nothing_is_written_to_a_bucket(tmp_path):
    source = make("uint8", tmp_path)
    virtual_flac.write_flac(source, tmp_path / "x.flac")
    for write, origin, target in (
        (virtual_flac.write_flac, source, "s3://bucket/x.flac"),
        (virtual_flac.write_geotiff, tmp_path / "x.flac", "s3://bucket/x.tif"),
        (virtual_flac.extract, source, "s3://bucket/x.tif"),
        (virtual_flac.preview, source, "s3://bucket/x.png"),
    ):
        with pytest.raises(TargetFolderError, match="local files only"):
            write(origin, target)
