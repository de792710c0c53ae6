"""What an operator may set for the reporter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from services.reporter.mail import is_address
from services.reporter.smtp import Folder, Mailer, Server, Smtp
from shared.settings import ServiceSettings, state_folder


def _addresses(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Addresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_addresses)]
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class ReporterSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="REPORTER_")

    database_url: SecretStr
    smtp_host: str = ""  # without one, mails are written into mail_folder
    smtp_port: int = Field(default=0, ge=0, le=65535)  # 0: 587, 465 or 25, as smtp_security says
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_password_file: Path | None = None
    smtp_ca_file: Path | None = None  # beside the system's trust store
    smtp_timeout_s: float = Field(default=20.0, gt=0, le=300)
    mail_from: str = "pagetally@localhost"
    mail_folder: Path = Field(default_factory=lambda: state_folder() / "hub" / "mail")
    report_folder: Path | None = None  # where set, each workbook is written there too
    watch_mail_to: Addresses = ()  # who is told what is late: sites, services, disks, clocks
    wake_s: float = Field(default=30.0, gt=0, le=3600)  # how often it looks for what is due

    @field_validator("mail_from", "watch_mail_to")
    @classmethod
    def _is_address(cls, said: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for text in (said,) if isinstance(said, str) else said:
            if not is_address(text):
                raise ValueError(f"{text[:80]!r} is no mail address")
        return said

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.smtp_host and self.mail_from.endswith("@localhost"):
            raise ValueError("REPORTER_SMTP_HOST needs REPORTER_MAIL_FROM, the sender's address")
        if self.smtp_user and self.smtp_security == "none":
            raise ValueError("REPORTER_SMTP_USER needs TLS; set REPORTER_SMTP_SECURITY")
        return self

    def mailer(self) -> Mailer:
        """Raises: OSError, where the password's file cannot be read."""
        if not self.smtp_host:
            return Folder(self.mail_folder)
        password = self.smtp_password.get_secret_value()
        if self.smtp_password_file is not None:
            password = self.smtp_password_file.read_text(encoding="utf-8").rstrip("\r\n")
        return Smtp(
            Server(
                host=self.smtp_host,
                port=self.smtp_port or _PORTS[self.smtp_security],
                security=self.smtp_security,
                mail_from=self.mail_from,
                user=self.smtp_user,
                password=password,
                ca_file=self.smtp_ca_file,
                timeout_s=self.smtp_timeout_s,
            )
        )
