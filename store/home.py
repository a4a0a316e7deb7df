"""A workspace: one folder that holds everything of one owner, and where each part of it lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from store.blobs import Blobs
from store.inbox import Inbox, InboxLimits


@dataclass(frozen=True)
class Home:
    """The paths of a workspace. Making a Home touches nothing."""

    root: Path
    pictures_url: str = ""
    inbox_limits: InboxLimits = field(default_factory=InboxLimits)

    @property
    def settings(self) -> Path:
        """`blindspot.toml`: its presence makes a folder a home."""
        return self.root / "blindspot.toml"

    @property
    def policy(self) -> Path:
        """The owner's policy, a TOML file."""
        return self.root / "policy.toml"

    @property
    def catalog(self) -> Path:
        """The DuckDB file that only the fold opens."""
        return self.root / "catalog.duckdb"

    @property
    def snapshot(self) -> Path:
        """The published copy that everybody reads."""
        return self.root / "snapshot.duckdb"

    @property
    def lock(self) -> Path:
        """What a running fold holds an flock on."""
        return self.root / "fold.lock"

    @property
    def quarantine(self) -> Path:
        """Inbox files that could not be read, each beside a `.reason`."""
        return self.root / "quarantine"

    @property
    def models(self) -> Path:
        """Model versions, one folder each, and the pointer to the champion."""
        return self.root / "models"

    @property
    def embeddings(self) -> Path:
        """Parquet shards of embeddings, one folder per frozen base."""
        return self.root / "embeddings"

    @property
    def runs(self) -> Path:
        """What single runs leave behind: logs, reports, checkpoints."""
        return self.root / "runs"

    def inbox(self) -> Inbox:
        """Where everybody but the fold writes records."""
        return Inbox(self.root / "inbox", self.inbox_limits)

    def blobs(self) -> Blobs:
        """The bytes of the pictures."""
        return Blobs(self.pictures_url or str(self.root / "pictures"))
