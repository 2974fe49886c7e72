"""A whole answer of status 200 -> its JSON, once it has been seen to be what its operation promises. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from providers.errors import Malformed, ProviderError, ServerFailed
from providers.upstream.classify import excerpt, is_web_page, recognise, spoken_error

LISTS: Final[Mapping[str, str]] = {  # what an answer lists: one that lists nothing is none
    "chat.completions": "choices",
    "completions": "choices",
    "embeddings": "data",
    "rerank": "results",
    "moderations": "results",
    "images.generations": "data",
}
COUNTED: Final = frozenset({"chat.completions", "completions", "embeddings", "rerank"})  # answers that show `usage`

Entry = Mapping[str, Any]


def read_answer(operation: str, raw: bytes, headers: Mapping[str, str], asked: object = None) -> dict[str, Any]:
    """`asked` is the `documents` of a rerank. Raises ProviderError for an answer of 200 that is none: a web page,
    broken JSON, an error object, an empty list, an entry that does not say what it is there for."""
    content = read_json_object(raw, headers)
    listed = content.get(LISTS[operation])
    if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
        raise _useless(f"The server's answer holds no {LISTS[operation]}.", raw)
    check = _CHECKS.get(operation)
    if check is not None:
        for entry in listed:
            if fault := check(entry, asked):
                raise _useless(fault, raw)
    return content


def read_json_object(raw: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Raises ProviderError for what is no JSON object, and for an object that tells of an error."""
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise no_json(raw, headers) from None
    if not isinstance(content, dict):
        raise _useless("The server's answer is not a JSON object.", raw)
    if content.get("error"):
        raise _spoken(content)
    return content


def no_json(raw: bytes, headers: Mapping[str, str]) -> ProviderError:
    """What came where JSON was due."""
    if is_web_page(headers, raw):
        return Malformed("web_page_not_api", "The server answered with a web page.", evidence={"excerpt": excerpt(raw)})
    return _useless("The server's answer is not valid JSON.", raw)


def _spoken(content: dict[str, Any]) -> ProviderError:
    code, message = spoken_error(content)
    told = f"The server answered 200 with an error: {excerpt(message)}"
    return recognise(message, code, status=200) or ServerFailed(message=told)


def _useless(why: str, raw: bytes) -> Malformed:
    return Malformed(message=why, evidence={"excerpt": excerpt(raw)})


# --- What an entry must say ---
def _rank_fault(entry: Entry, documents: object) -> str | None:
    index, score = entry.get("index"), entry.get("relevance_score")
    if isinstance(index, bool) or not isinstance(index, int) or isinstance(score, bool):
        return "The server's answer ranks without an index."
    if not isinstance(score, int | float):
        return "The server's answer ranks without a score."
    is_known = index >= 0 and (not isinstance(documents, list) or index < len(documents))
    return None if is_known else "The server's answer ranks a document that was not sent."


def _moderation_fault(entry: Entry, _asked: object) -> str | None:
    return None if isinstance(entry.get("flagged"), bool) else "The server's answer flags nothing, neither way."


def _image_fault(entry: Entry, _asked: object) -> str | None:
    """An address at the server is of no use to a caller, who can neither reach it nor has its key."""
    image = entry.get("b64_json")
    return None if isinstance(image, str) and image else "The server's answer holds no image, or only its address."


_CHECKS: Final[Mapping[str, Callable[[Entry, object], str | None]]] = {
    "rerank": _rank_fault,
    "moderations": _moderation_fault,
    "images.generations": _image_fault,
}
