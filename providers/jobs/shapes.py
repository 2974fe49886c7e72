"""Whether an `input` has the shape of its operation: checked at submit, so that no worker starts what cannot run.

Only what OpenAI's API fixes is checked; fields beyond it pass to the model server untouched (LocalAI has its own).
Written by hand: a JSON Schema validator takes ten times as long, on a path that answers thousands a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tenants.problems import FieldError

Found = Iterator[FieldError]
Check = Callable[[Mapping[str, Any]], Found]
Is = Callable[[Any], bool]


def _wrong(field: str, message: str, code: str = "invalid") -> FieldError:
    return FieldError(f"input.{field}", code, message)


# --- What a value can be ---
def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_object(value: Any) -> bool:
    return isinstance(value, dict)


def is_list_of(inner: Is) -> Is:
    return lambda value: isinstance(value, list) and all(map(inner, value))


def _is_positive(value: Any) -> bool:
    return is_whole(value) and bool(value >= 1)


def _is_text_or_texts(value: Any) -> bool:
    return is_text(value) or is_list_of(is_text)(value)


_POSITIVE = (_is_positive, "Write a whole number of at least 1.")
_NUMBER = (is_number, "Write a number.")
_WHOLE = (is_whole, "Write a whole number.")
_FLAG = (is_flag, "Write true or false.")
_TEXT = (is_text, "Write a string.")
_OBJECT = (is_object, "Write an object.")
_STOP = (_is_text_or_texts, "Write a string or a list of strings.")

_SAMPLING: Final[dict[str, tuple[Is, str]]] = {
    "frequency_penalty": _NUMBER,
    "logit_bias": _OBJECT,
    "max_tokens": _POSITIVE,
    "min_p": _NUMBER,
    "n": _POSITIVE,
    "presence_penalty": _NUMBER,
    "seed": _WHOLE,
    "stop": _STOP,
    "stream_options": _OBJECT,
    "temperature": _NUMBER,
    "top_k": _WHOLE,
    "top_p": _NUMBER,
    "user": _TEXT,
}
_CHAT: Final[dict[str, tuple[Is, str]]] = {
    **_SAMPLING,
    "logprobs": _FLAG,
    "max_completion_tokens": _POSITIVE,
    "parallel_tool_calls": _FLAG,
    "reasoning_effort": _TEXT,
    "response_format": _OBJECT,
    "tools": (is_list_of(is_object), "Write a list of tools, each an object."),
    "top_logprobs": _WHOLE,
}
_COMPLETION: Final[dict[str, tuple[Is, str]]] = {**_SAMPLING, "best_of": _POSITIVE, "echo": _FLAG, "suffix": _TEXT}
_EMBEDDING: Final[dict[str, tuple[Is, str]]] = {"dimensions": _POSITIVE, "user": _TEXT}
_RERANK: Final[dict[str, tuple[Is, str]]] = {"return_documents": _FLAG, "top_n": _POSITIVE}
_IMAGE: Final[dict[str, tuple[Is, str]]] = {
    "background": _TEXT,
    "n": _POSITIVE,
    "quality": _TEXT,
    "seed": _WHOLE,
    "size": _TEXT,
    "step": _WHOLE,
    "style": _TEXT,
    "user": _TEXT,
}


# --- The operations ---
def check_chat(body: Mapping[str, Any]) -> Found:
    messages = body.get("messages")
    if messages is None:
        yield _wrong("messages", "This field is required.", "required")
    elif not isinstance(messages, list) or not messages:
        yield _wrong("messages", "Write a list with at least one message.")
    else:
        for number, message in enumerate(messages):
            yield from _check_message(f"messages.{number}", message)
    yield from _check_fields(body, _CHAT)


def check_completion(body: Mapping[str, Any]) -> Found:
    yield from _check_prompt(body, "prompt", "a string, a list of strings, or tokens")
    yield from _check_fields(body, _COMPLETION)


def check_embedding(body: Mapping[str, Any]) -> Found:
    yield from _check_prompt(body, "input", "a string, a list of strings, or tokens")
    if body.get("encoding_format", "float") not in ("float", "base64", None):
        yield _wrong("encoding_format", "Write float or base64.", "invalid_choice")
    yield from _check_fields(body, _EMBEDDING)


def check_rerank(body: Mapping[str, Any]) -> Found:
    yield from _check_text(body, "query")
    yield from _check_list_of(body, "documents", (str, dict), "a list with at least one text")
    yield from _check_fields(body, _RERANK)


def check_moderation(body: Mapping[str, Any]) -> Found:
    """Texts; or parts, for servers that look at pictures too."""
    if is_text(body.get("input")):
        yield from _check_text(body, "input")
    else:
        yield from _check_list_of(body, "input", (str, dict), "a text, or a list with at least one")


def check_image(body: Mapping[str, Any]) -> Found:
    """Images come inside the result: an address at the model server cannot be reached from outside."""
    yield from _check_text(body, "prompt")
    if body.get("response_format") not in (None, "b64_json"):
        told = "Write b64_json: an address at the model server cannot be reached from outside."
        yield _wrong("response_format", told, "invalid_choice")
    yield from _check_fields(body, _IMAGE)


def _check_text(body: Mapping[str, Any], field: str) -> Found:
    value = body.get(field)
    if value is None:
        yield _wrong(field, "This field is required.", "required")
    elif not is_text(value) or not value.strip():
        yield _wrong(field, "Write a text that is not empty.")


def _check_list_of(body: Mapping[str, Any], field: str, kinds: tuple[type, ...], expected: str) -> Found:
    value = body.get(field)
    if value is None:
        yield _wrong(field, "This field is required.", "required")
    elif not isinstance(value, list) or not value or not all(isinstance(entry, kinds) and entry for entry in value):
        yield _wrong(field, f"Write {expected}.")


def _check_message(field: str, message: Any) -> Found:
    if not isinstance(message, dict):
        yield _wrong(field, "A message is an object with `role` and `content`.")
        return
    if not is_text(message.get("role")) or not message["role"]:
        yield _wrong(f"{field}.role", "Write system, user, assistant or tool.", "required")
    content = message.get("content")
    if content is None:
        if not any(message.get(other) for other in ("tool_calls", "function_call", "refusal", "audio")):
            yield _wrong(f"{field}.content", "This field is required.", "required")
    elif isinstance(content, list):
        yield from _check_parts(f"{field}.content", content)
    elif not is_text(content):
        yield _wrong(f"{field}.content", "Write a string or a list of parts.")


def _check_parts(field: str, parts: list[Any]) -> Found:
    for number, part in enumerate(parts):
        if not isinstance(part, dict) or not is_text(part.get("type")):
            yield _wrong(f"{field}.{number}", "A part is an object with a `type`, such as text or image_url.")


def _check_prompt(body: Mapping[str, Any], field: str, expected: str) -> Found:
    value = body.get(field)
    if value is None:
        yield _wrong(field, "This field is required.", "required")
    elif value == [] or not (is_text(value) or _is_list_of_prompts(value)):
        yield _wrong(field, f"Write {expected}.")


def _is_list_of_prompts(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    return all(map(is_text, value)) or all(map(is_whole, value)) or all(map(is_list_of(is_whole), value))


def _check_fields(body: Mapping[str, Any], known: Mapping[str, tuple[Is, str]]) -> Found:
    for field in known.keys() & body.keys():
        is_right, message = known[field]
        if body[field] is not None and not is_right(body[field]):
            yield _wrong(field, message)
