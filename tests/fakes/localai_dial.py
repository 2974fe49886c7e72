"""Every quirk a LocalAI has shown, each a knob. The defaults are a healthy, open, warm server of today."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.fakes.localai_failures import FAILURES, CodeStyle, Failure

PAGE = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>Sign in</h1></body></html>"


@dataclass
class Dial:
    # --- Which LocalAI ---
    version: str = "v4.9.0"  # v1.24.1 | v2.29.0 | …; what follows as None is what this version does
    product: str = ""  # what stands before the version in /version, such as "modelyard-demo (llama.cpp b1)"
    has_well_known: bool | None = None  # /.well-known/localai.json
    has_version: bool = True  # /version; a proxy may let only /v1 through
    has_capabilities: bool | None = None  # /v1/models/capabilities, since v4.6.1
    has_ollama_show: bool | None = None  # /api/show
    has_admin_api: bool | None = None  # /system, /backend/*, /api/models/config-json
    knows_unknown_models: bool | None = None  # 404 since v4.1.0; before, a failed load
    embeddings_usage: bool | None = None  # absent since v4.2.5
    completions_usage_zero: bool = True
    readiness: str = "ready"  # or "starting"
    gateway_prefix: str = ""  # served under this path by a reverse proxy; outside it: the proxy's own 404 page
    web_ui: bool = True

    # --- Who may call ---
    api_keys: set[str] = field(default_factory=set)  # none: open; these have all rights
    user_keys: dict[str, set[str]] = field(default_factory=dict)  # without admin rights; allowed models, empty: all
    refusal: str = "as_version"  # | echo | fiber | missing_403 | missing_text

    # --- The whole address is something else ---
    cut_before_status: bool = False  # every connection ends before anything is answered
    page_status: int | None = None  # every path answers this status with a web page
    redirect_to: str | None = None
    raw_answer: tuple[int, str, bytes] | None = None  # every inference answers these bytes: status, media type, body

    # --- How inference fails ---
    fail: str | Failure | None = None  # a name in FAILURES
    fail_times: int | None = None  # None: always; else so many calls, then well
    fail_delay_seconds: float = 0.0  # a dead backend shows after about 40 s
    fail_after_tokens: int = 0  # in a stream: so many tokens come first
    retry_after: str | None = None  # replaces the failure's own; "" leaves the header out
    error_code: CodeStyle = "as_version"
    opaque_errors: bool = False  # LOCALAI_OPAQUE_ERRORS: status only, empty body
    body_limit_bytes: int = 15 * 2**20
    body_limit_page: bool = False  # the limit is a front proxy's, which answers with a page
    embeds_with_any_model: bool = False  # a wrong type "succeeds"
    chats_with_any_model: bool = False
    no_chat: bool = False  # only /v1/completions works, as with a model that has no chat template

    # --- When it answers: what waits goes on once its figure is turned down ---
    cold_load_seconds: float = 0.0  # the first request for a model waits so long
    cold_load_503: bool = False  # distributed mode: 503 model_loading meanwhile, not silence
    token_delay_seconds: float = 0.0
    hang: bool = False  # inference never answers
    hang_listing: bool = False
    stall_after_tokens: int | None = None
    drip_seconds: float = 0.0  # between two pieces of an inference's body
    piece_bytes: int | None = None  # bodies are written in pieces of this size

    # --- What a stream looks like ---
    tokens: tuple[str, ...] = ("Hel", "lo", " from", " the", " model", ".")
    reasoning_tokens: tuple[str, ...] = ()
    tool_calls: tuple[tuple[str, str], ...] = ()  # (name, arguments as JSON)
    tool_calls_claimed: bool = False  # finish_reason says tool_calls, none came
    empty_stream: bool = False
    empty_deltas: int = 0  # chunks with nothing in them, before the first token
    role_chunks_early: bool = False  # the role chunk comes at once and not with the first token
    mcp_event: bool = False
    omit_done: bool = False
    omit_finish: bool = False
    omit_usage: bool = False
    omit_ids: bool = False
    usage_in_every_chunk: bool | None = None
    comments: bool = False  # keepalive comments between the tokens
    close_delimited: bool = False  # no chunked framing: the end of the body is the end of the connection
    cut_after_tokens: int | None = None  # FIN
    reset_after_tokens: int | None = None  # RST

    # --- What an answer holds ---
    finish_reason: str = "stop"
    content: str | None = None  # of a unary chat; None: the tokens joined
    embedding_as: str = "as_asked"  # or "base64" | "float" whatever was asked
    omit_data: bool = False  # nothing to embed: the key is left out
    one_vector_only: bool = False
    unequal_vectors: bool = False
    not_a_number: bool = False
    rerank_out_of_range: bool = False
    flagged_word: str = "kill"  # what holds it, moderation flags as violence
    judges_badly: bool = False  # the model behind moderation leaves a category out
    images_by_url: bool = False  # whatever was asked
    speech_seconds: float = 0.1
    speech_is_json: bool = False
    listing: object = None  # replaces the body of /v1/models

    @property
    def release(self) -> tuple[int, int, int]:
        major, minor, patch = re.findall(r"\d+", self.version)[:3]
        return int(major), int(minor), int(patch)

    @property
    def is_v1(self) -> bool:
        return self.release < (2, 0, 0)

    def since(self, choice: bool | None, release: tuple[int, int, int]) -> bool:
        return self.release >= release if choice is None else choice

    def next_failure(self) -> Failure | None:
        """The failure of this call, counted down where it is to happen a few times only."""
        if self.fail is None or self.fail_times == 0:
            return None
        if self.fail_times is not None:
            self.fail_times -= 1
        return FAILURES[self.fail] if isinstance(self.fail, str) else self.fail
