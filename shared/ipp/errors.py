"""How a question by IPP ends without its answer."""

from __future__ import annotations


class IppError(Exception):
    """The text says who was asked, what came and what to try."""


class IppTrustError(IppError):
    """The file of authorities cannot be used."""


class IppNoAnswerError(IppError):
    """Nothing that is asked there answers IPP; the text says what was tried."""


class IppUnreadableError(IppError):
    """Something answers, and what was asked for did not come whole."""


class IppDeniedError(IppUnreadableError):
    """It tells what it is only to users that it knows."""


class NotIppError(IppUnreadableError):
    """What answers is no printer that speaks IPP."""
