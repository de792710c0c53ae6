"""What the scope and the site together want asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from services.discovery.plan import Known, Wish
from services.discovery.settings import DiscoverySettings
from shared.schedule import RoundKind
from shared.scope import Scope

NO_SCOPE = Scope(version=0, author="nobody", changed_at=datetime(1970, 1, 1, tzinfo=UTC))


def wish_of(
    kind: RoundKind, scope: Scope, settings: DiscoverySettings, known: Iterable[Known] = ()
) -> Wish:
    return Wish(
        kind=kind,
        segments=tuple(scope.segments),
        targets=tuple(scope.targets),
        exclusions=tuple(scope.exclusions),
        credentials=tuple(scope.credentials),
        site_targets=settings.targets,
        site_credentials=settings.credentials,
        known=tuple(known),
        rules=tuple(scope.rules),
        spoolers=tuple(scope.spoolers),
        silent_after=scope.silent_after,
        port=settings.port,
    )
