"""The way to the hub, by the key and the authorities that their files hold now."""

from __future__ import annotations

from services.uploader.send import Hub, proxy_for, trust
from services.uploader.settings import SettingError, UploaderSettings, read_key

_Files = tuple[str, bytes | None]  # the key, and what the authorities' file holds


class Way:
    """Gives the hub to ask; another one after the key's or the authorities' file has changed."""

    def __init__(self, settings: UploaderSettings) -> None:
        """Raises: SettingError."""
        self._settings = settings
        self._files = self._tried = self._read()
        self._hub = self._connect(self._files)

    async def to_hub(self) -> Hub:
        """Raises: SettingError."""
        files = self._tried = self._read()
        if files != self._files:
            before, self._hub = self._hub, self._connect(files)
            self._files = files
            await before.__aexit__(None, None, None)
        return self._hub

    def has_changed(self) -> bool:
        """Whether another key or other authorities are there than were last tried."""
        try:
            return self._read() != self._tried
        except SettingError:
            return False

    async def close(self) -> None:
        await self._hub.__aexit__(None, None, None)

    def _read(self) -> _Files:
        ca_file = self._settings.ca_file
        try:
            authorities = ca_file.read_bytes() if ca_file else None
        except OSError as error:
            raise SettingError(f"{ca_file}: cannot be read: {error.strerror}") from None
        return read_key(self._settings.key_file), authorities

    def _connect(self, files: _Files) -> Hub:
        proxy = self._settings.proxy.get_secret_value() if self._settings.proxy else None
        return Hub(
            self._settings.hub_url,
            files[0],
            trust=trust(self._settings.ca_file),
            proxy=proxy_for(self._settings.hub_url, proxy),
        )
