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
from typing import Any, Literal

from ..errors import (
    FlacError,
    MissingExtraError,
    SelectionError,
    SourceNotFoundError,
    TargetError,
    TargetExistsError,
    TargetFolderError,
)
from ..io.addresses import local_path, refuse_unspeakable
from ..io.hidden_folders import temporary_folder
from ..io.local_files import publish
from ..io.reference_kinds import ICECHUNK, KERCHUNK_JSON, KERCHUNK_PARQUET
from ..io.store_errors import STORE_ERRORS, translate
from ..io.stores import registry_for, resolve
from ..io.target_errors import exists_error, target_error, writing

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

    def __post_init__(self) -> None:
        if "\0" in str(self):
            raise TargetError(f"{str(self)!r}: names of files cannot hold a NUL character")

    def __str__(self) -> str:
        return os.fspath(self.name)

    @property
    def path(self) -> Path | None:
        """Of a local target; None of another."""
        text = str(self)
        return local_path(text) if "://" in text else Path(text)

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
        if self.path is None and str(self).startswith(("http://", "https://")):
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
            raise exists_error(str(self))
        elif exists and not self._is_ours():
            # A mistyped name must not delete something else.
            raise TargetExistsError(f"{self} exists, but is not of {kind}; remove it yourself")

    def check_folder(self) -> None:
        """Refuse a local target whose folder does not exist, by a `TargetFolderError`.

        And one that no URL can name, by a `TargetError`.
        """
        if self.path is not None:
            refuse_unspeakable(os.path.abspath(self.path), TargetError)
            with writing(self.path):
                if not os.path.isdir(self.path.absolute().parent):
                    raise TargetFolderError(f"{self.path.parent}: no such folder. Create it first.")

    def exists(self) -> bool:
        """Whether anything is there, be it a link that leads nowhere."""
        return bool(self._objects()) if self.path is None else os.path.lexists(self.path)

    def may_be_folder(self) -> bool:
        """Whether there may be files below it: always so in a bucket."""
        return self.path is None or os.path.isdir(self.path)

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
        if self.path is not None:
            path = self.path.absolute()
            with temporary_folder(path) as folder:
                yield folder / path.name
                publish(folder / path.name, path, overwrite=overwrite)
            return
        with _spare_folder(self) as folder:
            part = folder / Path(str(self).rstrip("/")).name
            yield part
            self._upload(part, overwrite=overwrite)

    def remove(self) -> None:
        """Remove it, whatever it is; nothing happens when it does not exist."""
        if self.path is None:
            self._delete(list(self._objects()))
        elif self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        """Whether it is what its suffix says, and of a file at least a file."""
        marks = ("snapshots",) if self.suffix == ".icechunk" else (_METADATA,)
        if self.path is None:
            key = self._store()[1]
            return any(
                found == key or found.startswith(f"{key}/{mark}")
                for found in self._objects() for mark in marks
            )  # fmt: skip
        if self.suffix == ".json" or not self.path.is_dir():
            # Whatever a link that leads nowhere was made for, the link alone is lost.
            is_link = self.path.is_symlink() and not self.path.exists()
            return is_link or self.path.is_file() == (self.suffix == ".json")
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
        mode: Literal["overwrite", "create"] = "overwrite" if overwrite else "create"
        try:
            if part.is_file():
                obstore.put(store, key, part, mode=mode)
                return
            names = sorted(
                file.relative_to(part).as_posix() for file in part.rglob("*") if file.is_file()
            )
            old = self._objects()
            if old and not overwrite:
                raise exists_error(str(self))
            # Nobody can read it like this. And of several writers one can say that it is theirs.
            obstore.put(store, f"{key}/{_METADATA}", b"", mode=mode)
            for name in sorted(names, key=lambda name: name == _METADATA):
                obstore.put(store, f"{key}/{name}", part / name)
            self._delete([path for path in old if path not in {f"{key}/{n}" for n in names}])
        except AlreadyExistsError:
            raise exists_error(str(self)) from None
        except FlacError:
            raise
        except STORE_ERRORS as error:
            raise translate(error, str(self)) from None

    def _delete(self, keys: list[str]) -> None:
        if keys:
            self._store()[0].delete(keys)


@contextmanager
def _spare_folder(target: Target) -> Iterator[Path]:
    """A folder for what is to be uploaded."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    except FlacError:
        raise
    except OSError as error:
        found = target_error(error, tempfile.gettempdir())
        raise TargetError(f"{target}: cannot be prepared, {found}") from error
