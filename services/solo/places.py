"""Where one box keeps what: the agent's files and the hub's, in one state folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    state: Path

    @property
    def agent(self) -> Path:
        return self.state / "agent"

    @property
    def hub(self) -> Path:
        return self.state / "hub"

    @property
    def database(self) -> Path:
        return self.hub / "postgres"

    @property
    def database_url(self) -> Path:
        return self.hub / "database-url"

    @property
    def site_key(self) -> Path:
        return self.agent / "site.key"

    @property
    def mail(self) -> Path:
        return self.hub / "mail"

    @property
    def reports(self) -> Path:
        return self.hub / "reports"

    def make(self, *, hub: bool = True) -> None:
        """The folders: others may pass through the state folder and the hub's, no further."""
        folders = [(self.state, 0o711), (self.agent, 0o700)]
        if hub:
            folders.append((self.hub, 0o711))
        for folder, mode in folders:
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(mode)
