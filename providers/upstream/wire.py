"""What goes over the wire and what it means, without any input or output: the one door to the modules beside it."""

from providers.upstream.assemble import Assembler, chunk_of
from providers.upstream.classify import classify_error, excerpt, is_web_page, parse_retry_after, recognise, spoken_error
from providers.upstream.frames import error_in_frame, finishes, is_meaningful
from providers.upstream.sse import MAX_EVENT_BYTES, Frame, SseParser, frame_of
from providers.upstream.usage import Usage, estimated_tokens, estimated_usage, usage_of
from providers.upstream.whole import COUNTED, no_json, read_answer, read_json_object

__all__ = [
    "COUNTED",
    "MAX_EVENT_BYTES",
    "Assembler",
    "Frame",
    "SseParser",
    "Usage",
    "chunk_of",
    "classify_error",
    "error_in_frame",
    "estimated_tokens",
    "estimated_usage",
    "excerpt",
    "finishes",
    "frame_of",
    "is_meaningful",
    "is_web_page",
    "no_json",
    "parse_retry_after",
    "read_answer",
    "read_json_object",
    "recognise",
    "spoken_error",
    "usage_of",
]
