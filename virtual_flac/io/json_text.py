"""JSON that somebody else wrote."""

from __future__ import annotations

import json
from typing import Any

from ..errors import FlacError


def parse_json(data: bytes | str, name: str, kind: type[FlacError]) -> Any:
    """A JSON document; an error of this kind names it where it is none, or too deeply nested."""
    try:
        return json.loads(data)
    except RecursionError:
        raise kind(f"{name}: is nested too deeply") from None
    except ValueError as error:
        raise kind(f"{name}: is not JSON: {error}") from None
