"""The specification is executable: its Python runs, its JSON is what the code writes."""

import json
import re
from pathlib import Path

import pytest

from zarr_flac import Flac, FlacCodec

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code):
    exec(compile(code, "README.md", "exec"), {})


def test_json():
    v3, v2 = (json.loads(text) for text in blocks("json"))
    assert FlacCodec.from_dict(v3).to_dict() == v3
    assert Flac.from_config(v2).get_config() == v2
