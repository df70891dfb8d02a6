"""Where references are written: local files and folders, objects and prefixes of buckets.

What appears there is complete, as far as the store can promise.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from ..errors import (
    MissingExtraError,
    SelectionError,
    SourceError,
    SourceNotFoundError,
    TargetExistsError,
    TargetFolderError,
)
from ..io.reference_kinds import ICECHUNK, KERCHUNK_JSON, KERCHUNK_PARQUET
from ..io.store_errors import STORE_ERRORS, translate
from ..io.stores import registry_for, resolve, to_url

#: Suffix of the target, and the module and extra that writing it needs.
_KINDS = {
    ".json": (KERCHUNK_JSON, None, None),
    ".parquet": (KERCHUNK_PARQUET, "fastparquet", "kerchunk"),
    ".parq": (KERCHUNK_PARQUET, "fastparquet", "kerchunk"),
    ".icechunk": (ICECHUNK, "icechunk", "icechunk"),
}

#: What a folder of parquet references begins with for its readers; so it is written last.
_METADATA = ".zmetadata"


@dataclass(frozen=True)
class Target:
    """A path or URL that is to be written, and the options of its store for `registry_for`."""

    name: str | os.PathLike[str]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return os.fspath(self.name)

    @property
    def path(self) -> Path | None:
        """Of a local target; None of another."""
        text = str(self)
        if text.startswith("file://"):
            text = to_url(text).removeprefix("file://")
        return None if "://" in text else Path(text)

    @property
    def suffix(self) -> str:
        """The ending of its name, which says what is to be written."""
        return Path(str(self).rstrip("/")).suffix

    @property
    def kind(self) -> str:
        """What is to be written, in words."""
        return _KINDS[self.suffix][0]

    def check(self, *, overwrite: bool = False, append: bool = False) -> None:
        """Refuse what cannot be written, before anything else is done.

        Raises
        ------
        SelectionError, MissingExtraError, TargetExistsError, TargetFolderError
        SourceNotFoundError
            When there is nothing to append to.
        SourceError
            When its store refuses to say whether it exists.
        """
        if self.suffix not in _KINDS:
            raise SelectionError(
                f"{self} ends in {self.suffix!r}; expected .json or .parquet for kerchunk, "
                ".icechunk for Icechunk"
            )
        kind, module, extra = _KINDS[self.suffix]
        if module is not None and find_spec(module) is None:
            raise MissingExtraError(
                f'{module} is not installed: pip install "virtual-flac[{extra}]"', name=module
            )
        if self.path is None and urlparse(str(self)).scheme in ("http", "https"):
            raise SelectionError(
                f"{self}: nothing is written over HTTP; write to a folder that is served, or to "
                "the bucket (s3://...)"
            )
        self.check_folder()
        exists = self.exists()
        if append:
            if self.suffix != ".icechunk":
                raise SelectionError(f"{self}: only to Icechunk repositories can be appended")
            if not exists:
                raise SourceNotFoundError(f"{self}: there is no repository to append to")
        elif exists and not overwrite:
            raise TargetExistsError(f"{self} exists. Replace it with --force (overwrite=True).")
        elif exists and not self._is_ours():
            # A mistyped name must not delete a folder of something else.
            raise TargetExistsError(
                f"{self} is a folder, but not one of {kind}; remove it yourself"
            )

    def check_folder(self) -> None:
        """Refuse a local target whose folder does not exist, by a `TargetFolderError`."""
        if self.path is not None and not self.path.absolute().parent.is_dir():
            raise TargetFolderError(f"{self.path.parent}: no such folder. Create it first.")

    def exists(self) -> bool:
        """Whether anything is there."""
        return self.path.exists() if self.path is not None else bool(self._objects())

    def size(self) -> int:
        """Bytes, those of all files of a folder together."""
        if self.path is None:
            return sum(self._objects().values())
        files = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files if file.is_file())

    @contextmanager
    def replacing(self, *, overwrite: bool) -> Iterator[Path]:
        """A path to write to; takes the place of the target when the block ends well.

        One object appears at once. Of a folder of a bucket, what its readers begin with is gone
        while it is replaced.
        """
        beside = None if self.path is None else self.path.absolute().parent
        name = Path(str(self).rstrip("/")).name
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=beside) as folder:
            part = Path(folder) / name
            yield part
            if self.path is None:
                self._upload(part, overwrite=overwrite)
                return
            if self.path.is_dir():
                # Cannot be replaced in one step; the old one goes only when the new is whole.
                self.path.rename(Path(folder) / "old")
            part.rename(self.path)

    def remove(self) -> None:
        """Remove it, whatever it is; nothing happens when it does not exist."""
        if self.path is None:
            self._delete(list(self._objects()))
        elif self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        """Whether it is what its suffix says; a file or an object may be replaced anyway."""
        marks = ("snapshots",) if self.suffix == ".icechunk" else (_METADATA,)
        if self.path is None:
            key = self._store()[1]
            return any(
                found == key or found.startswith(f"{key}/{mark}")
                for found in self._objects() for mark in marks
            )  # fmt: skip
        if not self.path.is_dir():
            return True
        return any((self.path / mark).exists() for mark in marks) or not any(self.path.iterdir())

    def _store(self) -> tuple[Any, str]:
        url = str(self)
        store, key = resolve(registry_for(url, **self.options), url)
        return store, key.strip("/")

    def _objects(self) -> dict[str, int]:
        """Sizes by key: of the object of this name, and of those below it."""
        store, key = self._store()
        try:
            found = {
                str(meta["path"]): int(meta["size"]) for page in store.list(key) for meta in page
            }
            if not found:
                found[key] = int(store.head(key)["size"])
        except FileNotFoundError:
            return {}
        except STORE_ERRORS as error:
            raise translate(error, str(self)) from None
        return found

    def _upload(self, part: Path, *, overwrite: bool) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        store, key = self._store()
        try:
            if part.is_file():
                obstore.put(store, key, part, mode="overwrite" if overwrite else "create")
                return
            names = sorted(
                file.relative_to(part).as_posix() for file in part.rglob("*") if file.is_file()
            )
            old = self._objects()
            if old and not overwrite:
                raise TargetExistsError(f"{self} exists; pass overwrite=True to replace it")
            self._delete([f"{key}/{_METADATA}"] if f"{key}/{_METADATA}" in old else [])
            for name in sorted(names, key=lambda name: name == _METADATA):
                obstore.put(store, f"{key}/{name}", part / name)
            self._delete([path for path in old if path not in {f"{key}/{n}" for n in names}])
        except AlreadyExistsError:
            raise TargetExistsError(f"{self} exists; pass overwrite=True to replace it") from None
        except (SourceError, TargetExistsError):
            raise
        except STORE_ERRORS as error:
            raise translate(error, str(self)) from None

    def _delete(self, keys: list[str]) -> None:
        if keys:
            self._store()[0].delete(keys)
