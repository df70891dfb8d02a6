"""`redact`: every spelling of a secret in a URL, and nothing else; in time that fits the text."""

from __future__ import annotations

import pickle
import time

import pytest

from virtual_flac import errors
from virtual_flac.redaction import has_credentials, redact, redact_name, safe_cause

#: Text, what is shown of it, and whether it is a URL with credentials.
CASES = (
    ("http://me:SECRET@host/a.tif", "http://***@host/a.tif", True),
    ("HTTP://me:SECRET@host/a.tif", "HTTP://***@host/a.tif", True),
    ("ftp://me:SECRET@host:21/a.tif", "ftp://***@host:21/a.tif", True),
    ("s3://key:SECRET@bucket/a.json", "s3://***@bucket/a.json", True),
    ("http://SECRET@host/a.tif", "http://***@host/a.tif", True),
    ("http://:SECRET@host", "http://***@host", True),
    ("http://me:SEC%52ET@[::1]:80/a", "http://***@[::1]:80/a", True),
    ("http://me:SECRET%40host/a.tif", "http://***%40host/a.tif", True),
    ("http://me:with@SECRET@host/a.tif", "http://***@host/a.tif", True),
    ("http://me:with/SECRET@host/a.tif", "http://***@host/a.tif", True),
    ("http://me:with?SECRET@host/a.tif", "http://***@host/a.tif", True),
    ("http://me:with#SECRET@host/a.tif", "http://***@host/a.tif", True),
    ("/vsicurl/http://me:SECRET@host/a.tif", "/vsicurl/http://***@host/a.tif", True),
    ("/vsizip//vsicurl/https://me:SECRET@h/a", "/vsizip//vsicurl/https://***@h/a", True),
    ("WMS:http://me:SECRET@host/a?b=c", "WMS:http://***@host/a?***", True),
    ("http://host/a,http://me:SECRET@host/b", "http://host/a,http://***@host/b", True),
    ("abfss://box:SECRET@account/a.flac", "abfss://***@account/a.flac", True),
    ("file://me:SECRET@host/a", "file://***@host/a", True),
    ("http://me:a 'SECRET@host/a.tif", "http://***@host/a.tif", True),
    # `Path` makes one slash of two, and GDAL two of one.
    ("http:/me:SECRET@host/a.tif", "http:/***@host/a.tif", True),
    ("file:///data/http:/me:SECRET@host/a", "file:///data/http:/***@host/a", False),
    ("https://host/a.tif?X-Amz-Signature=SECRET: 403", "https://host/a.tif?***: 403", False),
    ("(https://host/a.tif?url=http://b/SECRET).", "(https://host/a.tif?***).", False),
    ("https://host/a.tif#access_token=SECRET", "https://host/a.tif#***", False),
    ("https://host/a.tif%3Fsig%3DSECRET", "https://host/a.tif%3F***", False),
    ("https://host/a.tif;sig=SECRET", "https://host/a.tif;sig=***", False),
    ("/vsicurl?header.Authorization=SECRET&url=http://h", "/vsicurl?***", False),
    ("PG:host=h password=SECRET user=me", "PG:host=h password=*** user=me", False),
    ("--store-option secret_access_key=SECRET", "--store-option secret_access_key=***", False),
    ("Authorization: Bearer SECRET, x", "Authorization: ***, x", False),
    *((text, text, False) for text in (
        "http://host:8080/a@2x.tif: no such file", "https://[::1]:8080/a@b.tif", "http://[::1",
        "abfss://box@account.dfs.core.windows.net/a.flac", "s3://bucket/folder/a b.flac",
        "https://host/page#part", "Is it https://host/a? No.", "12:/34 me@host",
        "https://host/100%3F.tif",
        "/data/me/a@b c?d=e#f.tif", "file:///data/me@work/a?b=c#d=e.tif", "C:/me@work/a?b.tif",
        "pass skip_signature=True or set AWS_SKIP_SIGNATURE=true.",
        "client_options={'default_headers': {'Authorization': ...}}",
    )),
)  # fmt: skip


def test_every_spelling() -> None:
    for text, shown, credentials in CASES:
        assert redact(text) == shown
        assert redact(shown) == shown
        assert redact(f"before 'a' {text}") == f"before 'a' {shown}", text
        assert has_credentials(text) == credentials, text
    for text in (
        "http://host:80: no answer, ask me@host", "http://host: no answer, ask me@host",
        "no store for s3://bucket: ask me@host",
    ):  # fmt: skip
        assert redact(text) == text
    # Of a name alone it is known where it ends.
    assert redact_name("https://host/a b?c=a 'SECRET") == "https://host/a b?***"
    assert redact_name("/data/me/a b.tif") == "/data/me/a b.tif"


def test_errors_tell_none() -> None:
    text = "https://me:SECRET@host/a?b=SECRET: bad"
    ours = [value for value in vars(errors).values() if isinstance(value, type)]
    for kind in ours:
        if issubclass(kind, errors.FlacError) and kind.__module__ == errors.__name__:
            error = kind(text)
            for seen in (str(error), repr(error), str(pickle.loads(pickle.dumps(error)))):
                assert "SECRET" not in seen
                assert "https://***@host/a?***: bad" in seen
    full = errors.TargetError(28, text, text)
    assert full.errno == 28
    assert "SECRET" not in str(full)
    plain, secret = ValueError("no such file"), ValueError(text)
    assert safe_cause(plain) is plain
    plain.__cause__ = secret
    assert safe_cause(plain) is None


@pytest.mark.parametrize(
    "piece",
    ["a", "http://", "a:/", "token", "a-", "@", "?", ":", "secret ", "/vsi", "x@", ".", "=", "%40"],
)
def test_time_grows_with_the_text(piece: str) -> None:
    """Of 50 kB; a search that begins anew at every sign would take minutes."""
    for start in ("", "http://me:", "https://host/?", "authorization:"):
        text = start + piece * (50_000 // len(piece))
        before = time.process_time()
        redact(text)
        has_credentials(text)
        assert time.process_time() - before < 5
