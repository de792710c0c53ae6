"""The error-status of a response, RFC 3416 section 3, in words."""

from __future__ import annotations

NO_ERROR, TOO_BIG, NO_SUCH_NAME, GEN_ERR = 0, 1, 2, 5

_WORDS = (
    "noError",
    "tooBig: the answer does not fit into the agent's message",
    "noSuchName: the agent has no such object",
    "badValue: a value cannot be set",
    "readOnly: an object cannot be set",
    "genErr: the agent failed for a reason of its own",
    "noAccess: the object may not be touched",
    "wrongType",
    "wrongLength",
    "wrongEncoding",
    "wrongValue",
    "noCreation",
    "inconsistentValue",
    "resourceUnavailable: the agent lacks what it needs to answer",
    "commitFailed",
    "undoFailed",
    "authorizationError: the agent does not allow this community to ask",
    "notWritable",
    "inconsistentName",
)


def error_status_words(status: int) -> str:
    if 0 <= status < len(_WORDS):
        return _WORDS[status]
    return f"error-status {status}, which RFC 3416 does not know"
