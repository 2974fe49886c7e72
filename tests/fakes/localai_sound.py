"""How the fake hears and speaks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.fakes.http_server import Wire
from tests.fakes.localai_failures import Failure
from tests.fakes.localai_inference import Answer, Body, trouble
from tests.fakes.localai_models import FakeModel
from tests.fakes.sound import silent_wav

if TYPE_CHECKING:
    from tests.fakes.localai import FakeLocalAI

TRUE = ("1", "t", "T", "TRUE", "true", "True")  # what Go reads as true
JSON_FORMATS = ("", "json", "verbose_json")
TEXT_FORMATS = ("txt", "srt", "vtt", "lrc")  # OpenAI's `text` is not among them


async def transcription(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    failure = await trouble(fake, model, body, wire, "stt")
    file = body.get("file")
    if not isinstance(file, bytes):
        failure = failure or Failure(500, "http: no such file")
    elif not file.startswith(b"RIFF"):
        failure = failure or Failure(500, "failed to decode audio")
    if body.get("stream") in TRUE and not fake.dial.is_v1 and not (failure and failure.before_stream):
        return await _stream(fake, body, wire, failure)
    if failure:
        return await fake.fail(wire, failure)
    return await _answer(fake, body, wire)


async def _answer(fake: FakeLocalAI, body: Body, wire: Wire) -> None:
    text = _text(fake, body)
    wanted = "" if fake.dial.is_v1 else str(body.get("response_format") or "")
    if wanted in TEXT_FORMATS:
        written = {
            "srt": f"\n\n1\n00:00:00,000 --> 00:00:01,000\n{text}",
            "vtt": f"WEBVTT\n\n00:00 --> 00:01\n{text}\n",
        }
        await wire.send(200, written.get(wanted, f"\n{text}").encode(), "text/plain; charset=UTF-8")
    elif wanted in JSON_FORMATS:
        segment = {"id": 0, "start": 0, "end": 1_000_000_000, "text": text, "tokens": [50364]}
        told: dict[str, Any] = {"text": text} if wanted == "json" else {"segments": [segment], "text": text}
        await wire.send_json(200, told)
    else:
        await fake.fail(wire, Failure(500, "invalid response_format"))


async def _stream(fake: FakeLocalAI, body: Body, wire: Wire, failure: Failure | None) -> None:
    """What goes wrong is told inside a 200, and the end mark follows all the same."""
    dial = fake.dial
    await wire.start("text/event-stream")
    spoken = dial.tokens[: dial.fail_after_tokens] if failure else dial.tokens
    for number, token in enumerate(spoken):
        if number == dial.cut_after_tokens:
            return wire.cut()
        await wire.write(_event({"type": "transcript.text.delta", "delta": token}))
        await wire.pause_as_told(lambda: dial.token_delay_seconds)
        wire.tokens_sent += 1
    if failure:
        error = {"message": failure.message, "type": "server_error"}
        await wire.write(_event({"type": "error", "error": error}))
    else:
        await wire.write(_event({"type": "transcript.text.done", "text": _text(fake, body)}))
    if not dial.omit_done:
        await wire.write(b"data: [DONE]\n\n")
    return await wire.finish()


def _text(fake: FakeLocalAI, body: Body) -> str:
    return "In English: " * (body.get("translate") in TRUE) + "".join(fake.dial.tokens)


def _event(content: Body) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


async def speech(fake: FakeLocalAI, model: FakeModel, body: Body, wire: Wire) -> None:
    """Made whole, then sent as a file; with `stream` a wave without an end, piece by piece."""
    if failure := await trouble(fake, model, body, wire, "tts"):
        return await fake.fail(wire, failure)
    speed = body.get("speed")
    if speed is not None and not 0.25 <= float(speed) <= 4:
        return await fake.fail(wire, Failure(400, "code=400, message=speed must be between 0.25 and 4.0"))
    if fake.dial.speech_is_json:
        return await wire.send_json(200, {"ok": True})
    sound = silent_wav(seconds=fake.dial.speech_seconds)
    if body.get("stream"):
        return await _speak_in_pieces(fake, sound, wire)
    attachment = {"Content-Disposition": 'attachment; filename="speech.wav"'}
    return await wire.send(200, sound, "audio/x-wav", attachment)


async def _speak_in_pieces(fake: FakeLocalAI, sound: bytes, wire: Wire) -> None:
    await wire.start("audio/wav", close_delimited=fake.dial.close_delimited)
    size = max(1, len(sound) // len(fake.dial.tokens))
    for number, start in enumerate(range(0, len(sound), size)):
        if number == fake.dial.cut_after_tokens:
            return wire.cut()
        if number == fake.dial.stall_after_tokens:
            await wire.hang()
        await wire.write(sound[start : start + size])
        await wire.pause_as_told(lambda: fake.dial.token_delay_seconds)
        wire.tokens_sent += 1
    return await wire.finish()


SOUND: dict[str, tuple[str, Answer]] = {
    "/v1/audio/transcriptions": ("stt", transcription),
    "/v1/audio/speech": ("tts", speech),
    "/v1/tts": ("tts", speech),  # without the prefix only
}
