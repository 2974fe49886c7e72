"""What servers say when something fails, word for word, and what it means. The first line that matches holds.

LocalAI's words are those of v1.24 to v4.9, llama.cpp's and Xinference's those of 2026-08; vLLM and OpenAI beside them.
"""

from __future__ import annotations

import re
from typing import Final

from providers.errors import (
    BackendFailed,
    ContextOverflow,
    CredentialRejected,
    ModelLoading,
    Overloaded,
    PermissionDenied,
    ProviderError,
    UnknownModel,
    WrongModelType,
)

# `error.code` or `error.type`, where they are words.
CODES: Final[dict[str, tuple[type[ProviderError], str]]] = {
    "context_length_exceeded": (ContextOverflow, "context_length_exceeded"),
    "exceed_context_size_error": (ContextOverflow, "context_length_exceeded"),
    "model_loading": (ModelLoading, "model_loading"),
    "admission_rejected": (Overloaded, "overloaded"),
    "rate_limit_exceeded": (Overloaded, "overloaded"),
    "quota_exceeded": (Overloaded, "overloaded"),
    "insufficient_quota": (Overloaded, "overloaded"),
    "overloaded_error": (Overloaded, "overloaded"),
    "model_not_found": (UnknownModel, "model_not_found"),
    "invalid_api_key": (CredentialRejected, "auth_failed"),
    "authentication_error": (CredentialRejected, "auth_failed"),
    "authorization_error": (PermissionDenied, "permission_denied"),
    "permission_error": (PermissionDenied, "permission_denied"),
    "model_disabled": (PermissionDenied, "permission_denied"),
}

_TEXTS: Final[tuple[tuple[type[ProviderError], str, str], ...]] = (
    (
        ContextOverflow,
        "context_length_exceeded",
        r"exceeds? the (?:available |model's |maximum )?context|maximum context length|context (?:size|length|window) "
        r"(?:of \d+ )?(?:is |was )?exceeded|prompt is too long|too large to process|invalid pitch",
    ),
    (
        Overloaded,
        "overloaded",
        r"load is in cooldown|is at capacity|capacity reached|too many (?:concurrent )?requests|rate limit"
        r"|quota exceeded|exceeded your current quota|server is (?:busy|overloaded)|no slots? available",
    ),
    (
        ModelLoading,
        "model_loading",
        r"\bis (?:still |currently |being )*(?:loading|loaded|starting|launching)\b|^loading model|startup preload"
        r"|has not finished (?:loading|launching)",
    ),
    (
        BackendFailed,
        "model_file_unusable",
        r"all backends returned error",  # it quotes every backend's own failure: before those
    ),
    (
        BackendFailed,
        "backend_not_installed",
        r"backend not found|no backends? found|backend \S{1,80} (?:is )?not installed",
    ),
    (
        BackendFailed,
        "backend_start_failed",
        r"grpc service not ready|backend process exited|failed (?:to start|starting) (?:the )?backend",
    ),
    (
        WrongModelType,
        "model_type_mismatch",
        r"not supported in (?:predict|streaming) mode|code = unimplemented|method not implemented"
        r"|does not support (?:chat|completions?|embeddings?|rerank|images?|audio|transcription|speech|tools)"
        r"|is not an? (?:\S{1,40} )?(?:embeddings?|rerank|reranker|chat|llm|audio|image|speech) model"
        r"|is not for (?:creat\w+ |generat\w+ )?\w*(?:chat|generate|embedding|rerank|image|transcription|speech|audio)",
    ),
    (
        BackendFailed,
        "backend_crashed",
        r"out ?of ?memory|cannot allocate memory|signal: killed|error reading from server|transport is closing"
        r"|code = unavailable|connection refused|broken pipe|code = canceled|segmentation fault|illegal instruction",
    ),
    (
        BackendFailed,
        "model_file_unusable",
        r"(?:could not|cannot|unable to|failed to) load (?:the )?model|invalid (?:model file|magic)|not a gguf"
        r"|unsupported model|unknown model architecture",
    ),
    (
        UnknownModel,
        "model_not_found",
        r"model\b.{0,300}(?:not found|does not exist|doesn't exist|is not available)|(?:unknown|no such) model"
        r"|no model named",
    ),
    (
        CredentialRejected,
        "auth_failed",
        r"(?:invalid|incorrect|wrong|missing or malformed|not valid).{0,20} api[ _-]?key"
        r"|api[ _-]?key (?:is )?(?:invalid|not valid|missing|required)"
        r"|authorization header|authentication key is required|not authenticated",
    ),
    (
        PermissionDenied,
        "permission_denied",
        r"admin access required|access denied|feature not enabled|insufficient permissions?|permission denied",
    ),
)
TEXTS: Final = tuple((fault, code, re.compile(said, re.IGNORECASE | re.DOTALL)) for fault, code, said in _TEXTS)

# (asked for, there is) in the words of llama.cpp, vLLM and OpenAI.
CONTEXT_FIGURES: Final = tuple(
    re.compile(text, re.IGNORECASE | re.DOTALL)
    for text in (
        r"\((?P<asked>\d+) tokens?\).{0,60}context \w+ \((?P<size>\d+)",
        r"maximum context length (?:is|of) (?P<size>\d+).{0,160}?(?P<asked>\d+) (?:\w+ )?tokens",
        r"context (?:size|length|window) (?:of |is )?\(?(?P<size>\d+)",
        r"\((?P<asked>\d+) tokens?\) is too large.{0,80}batch size:? ?(?P<size>\d+)",
    )
)
