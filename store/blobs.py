"""The bytes of pictures, content-addressed: `pictures/ab/<sha256>`, in a folder or any fsspec store by URL.

The id of a picture is the sha256 of its raw bytes, which are never re-encoded. When `put` returns, they are
durable.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from store.errors import PictureMissing, SettingsError
from store.files import TEMPORARY, sync_folder, write_all_durably

PICTURE_ID = re.compile(r"[0-9a-f]{64}")


def picture_id(data: bytes) -> str:
    """The id of a picture: sha256 of its bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


class Blobs:
    """Pictures by id, under `url`: a local path or an fsspec URL such as `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.fs: Any
        self.root: str
        try:
            self.fs, self.root = fsspec.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise SettingsError(f"pictures.url wants a folder or an fsspec URL. Received: {url} ({error})") from None
        protocols = self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,)
        self.local = Path(self.root) if "file" in protocols else None

    def put(self, data: bytes) -> str:
        """Store the bytes unless they are there already; their id. Durable when it returns."""
        picture = picture_id(data)
        if not self.has(picture):
            self.put_all({picture: data})
        return picture

    def put_all(self, pictures: Mapping[str, bytes]) -> None:
        """Store the bytes of these pictures, which `picture_id` has named. All are durable when it returns."""
        paths = {self._path(picture): data for picture, data in pictures.items()}
        if self.local is None:
            self.fs.pipe(paths)  # object stores write whole objects or none
            return
        for folder in {Path(path).parent for path in paths}:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                sync_folder(folder.parent)
        write_all_durably({Path(path): data for path, data in paths.items()})

    def get(self, picture: str) -> bytes:
        """The bytes of `picture`. Raises PictureMissing when they are not stored."""
        try:
            data: bytes = self.fs.cat_file(self._path(picture))
        except FileNotFoundError:
            raise PictureMissing(
                f"picture {picture} is not in {self.root}; `blindspot doctor --repair` matches files and rows"
            ) from None
        return data

    def has(self, picture: str) -> bool:
        """Whether the bytes of `picture` are stored."""
        path = self._path(picture)
        return Path(path).exists() if self.local else bool(self.fs.exists(path))

    def drop(self, picture: str) -> int:
        """Remove the bytes of `picture`; how many there were, 0 when none were stored. `settle` makes it durable."""
        path = self._path(picture)
        try:
            size = int(self.fs.size(path) or 0)
            self.fs.rm_file(path)
        except FileNotFoundError:
            return 0
        return size

    def settle(self, dropped: Collection[str]) -> None:
        """Make every `drop` durable, and remove what killed writers left of these pictures."""
        for folder in self.local.iterdir() if self.local and self.local.is_dir() else ():
            if folder.is_dir():
                for path in folder.glob(f"{TEMPORARY}*"):
                    if path.name.rsplit("-", 1)[-1] in dropped:
                        path.unlink(missing_ok=True)
                sync_folder(folder)

    def ids(self) -> Iterator[str]:
        """All stored pictures, in no order."""
        if not self.fs.exists(self.root):
            return
        for path in self.fs.find(self.root):
            name = path.rsplit("/", 1)[-1]
            if PICTURE_ID.fullmatch(name) and TEMPORARY not in name:
                yield name

    def _path(self, picture: str) -> str:
        if not PICTURE_ID.fullmatch(picture):
            raise PictureMissing(f"wanted a picture id of 64 hex digits. Received: {picture[:80]!r}")
        return f"{self.root}/{picture[:2]}/{picture}"
