"""Which parameters a call to a model takes, by type: names, ranges, choices. For forms and for entries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from providers.models import ModelEntry, ModelType
from tenants.problems import FieldError

MAX_PARAMETERS: Final = 64
PARAMETER_TYPES: Final = ("number", "integer", "string", "boolean", "string_list", "object")
# What a call itself says; an entry's own values must not stand in its way.
OF_THE_CALL: Final = frozenset(
    {"model", "stream", "stream_options", "messages", "prompt", "input", "query", "documents", "file", "n_ctx"}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One parameter. `minimum` and `maximum` are inclusive; `choices` are all that is allowed, if there are any."""

    name: str
    type: str  # one of PARAMETER_TYPES
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    default: Any = None
    choices: tuple[Any, ...] = ()
    precision: int | None = None  # decimals that make sense in a form


_SEED = Rule("seed", "integer", "Seed", "The same seed and input give the same answer, where the backend can.", 0)
_TEMPERATURE = Rule("temperature", "number", "Temperature", "Higher is more varied.", 0, 2, precision=2)

_LLM: Final = (
    _TEMPERATURE,
    Rule(
        "top_p", "number", "Top P", "Only the likeliest tokens that together have this probability.", 0, 1, precision=2
    ),
    Rule("top_k", "integer", "Top K", "Only this many of the likeliest tokens. Not every server takes it.", 0, 1000),
    Rule("min_p", "number", "Min P", "Only tokens at least so likely, relative to the likeliest.", 0, 1, precision=2),
    Rule("frequency_penalty", "number", "Frequency penalty", "Above 0: repeats words less.", -2, 2, precision=2),
    Rule("presence_penalty", "number", "Presence penalty", "Above 0: turns to new topics more.", -2, 2, precision=2),
    Rule("max_tokens", "integer", "Max tokens", "The answer ends after so many tokens at the latest.", 1),
    Rule("stop", "string_list", "Stop", "The answer ends before any of these texts."),
    _SEED,
)
_CHAT_ONLY: Final = (
    Rule("response_format", "object", "Response format", 'Such as {"type": "json_object"}.'),
    Rule("tool_choice", "string", "Tool choice", "Whether tools are called.", choices=("auto", "none", "required")),
)
_REASONING: Final = Rule(
    "reasoning_effort", "string", "Reasoning effort", "How long it thinks first.", choices=("low", "medium", "high")
)

_BY_TYPE: Final[Mapping[str, tuple[Rule, ...]]] = {
    ModelType.TEXT_EMBEDDING: (
        Rule("encoding_format", "string", "Encoding", "How vectors are written.", choices=("float", "base64")),
    ),
    ModelType.RERANK: (Rule("top_n", "integer", "Top N", "So many of the best documents come back.", 1, 10_000),),
    ModelType.SPEECH2TEXT: (
        Rule("language", "string", "Language", "ISO 639-1, such as en. Left out: recognised."),
        dataclasses.replace(_TEMPERATURE, maximum=1),
        Rule(
            "response_format",
            "string",
            "Format",
            "What comes back.",
            default="json",
            choices=("json", "text", "srt", "verbose_json", "vtt"),
        ),
    ),
    ModelType.TTS: (
        Rule("voice", "string", "Voice", "A voice that the model has."),
        Rule("speed", "number", "Speed", "1 is normal.", 0.25, 4, default=1, precision=2),
        Rule(
            "response_format",
            "string",
            "Format",
            "The audio's format.",
            choices=("mp3", "opus", "aac", "flac", "wav", "pcm"),
        ),
    ),
    ModelType.IMAGE: (
        Rule("size", "string", "Size", "Width x height in pixels, such as 512x512."),
        Rule("n", "integer", "Number", "So many images.", 1, 10, default=1),
        Rule("step", "integer", "Steps", "More steps take longer. LocalAI only.", 1, 500),
        _SEED,
        Rule("response_format", "string", "Format", "A link or the bytes.", choices=("url", "b64_json")),
    ),
    ModelType.MODERATION: (),
}

_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "number": (int, float),
    "integer": (int,),
    "string": (str,),
    "boolean": (bool,),
    "object": (dict,),
}


def rules_for(entry: ModelEntry) -> list[Rule]:
    """The rules of this entry's type, narrowed to its mode, features and size; defaults are the entry's own values."""
    rules = _llm_rules(entry) if entry.type == ModelType.LLM else _BY_TYPE[entry.type]
    return [dataclasses.replace(rule, default=entry.parameters.get(rule.name, rule.default)) for rule in rules]


def parameter_faults(entry: ModelEntry) -> list[FieldError]:
    """What is wrong with the entry's own `parameters`. Names without a rule pass: servers have their own."""
    faults = [
        _fault(name, "reserved", "This belongs to each call.") for name in entry.parameters if name in OF_THE_CALL
    ]
    if len(entry.parameters) > MAX_PARAMETERS:
        faults.append(FieldError("parameters", "max_length", f"At most {MAX_PARAMETERS} parameters."))
    for rule in rules_for(entry):
        if entry.parameters.get(rule.name) is not None:
            faults += _value_faults(rule, entry.parameters[rule.name])
    return faults


def _llm_rules(entry: ModelEntry) -> tuple[Rule, ...]:
    most_tokens = entry.max_output_tokens or entry.context_size
    sized = [dataclasses.replace(rule, maximum=most_tokens) if rule.name == "max_tokens" else rule for rule in _LLM]
    chat: tuple[Rule, ...] = () if entry.mode == "completion" else _CHAT_ONLY
    if "tool-call" not in entry.features:
        chat = tuple(rule for rule in chat if rule.name != "tool_choice")
    return (*sized, *chat, *((_REASONING,) if "reasoning" in entry.features else ()))


def _value_faults(rule: Rule, value: Any) -> list[FieldError]:
    if not _has_type(rule.type, value):
        return [_fault(rule.name, "invalid_type", f"It must be of type {rule.type}.")]
    if rule.choices and value not in rule.choices:
        return [_fault(rule.name, "invalid_choice", f"It must be one of {', '.join(map(str, rule.choices))}.")]
    if rule.minimum is not None and value < rule.minimum:
        return [_fault(rule.name, "min_value", f"It must be at least {rule.minimum:g}.")]
    if rule.maximum is not None and value > rule.maximum:
        return [_fault(rule.name, "max_value", f"It must be at most {rule.maximum:g}.")]
    return []


def _has_type(wanted: str, value: Any) -> bool:
    if wanted == "string_list":
        items = [value] if isinstance(value, str) else value
        return isinstance(items, list) and all(isinstance(item, str) for item in items)
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, _PYTHON_TYPES[wanted])


def _fault(name: str, code: str, message: str) -> FieldError:
    return FieldError(f"parameters.{name}"[:200], code, message)
