"""A form is read as RFC 7578 has it and written anew: what was checked is what the server gets."""

import random
from itertools import pairwise

import pytest

from providers.gateway.bodies import CallerGone
from providers.gateway.forms import Form, Part, Spool, read_form
from tenants.problems import Problem

BOUNDARY = b"----cut-here"
WAVE = bytes(range(256)) * 16 + b"\r\n--" + BOUNDARY[:-1] + b"\r\n\r\n--"


def part(name, content, disposition=b"", *heads):
    said = b'Content-Disposition: form-data; name="%s"%s' % (name, disposition)
    return b"--" + BOUNDARY + b"\r\n" + b"\r\n".join([said, *heads]) + b"\r\n\r\n" + content + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"
FILE = b'; filename="a.wav"'


def scope(media_type=b"multipart/form-data; boundary=" + BOUNDARY):
    return {"type": "http", "headers": [(b"content-type", media_type)]}


def in_pieces(body, *cuts):
    places = [0, *sorted(cuts), len(body)]
    messages = [
        {"type": "http.request", "body": body[start:end], "more_body": end < len(body)}
        for start, end in pairwise(places)
    ]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def read(body, *cuts, media_type=None):
    spool = Spool()
    return await read_form(spool, scope(media_type) if media_type else scope(), in_pieces(body, *cuts))


async def resent(form, **fields):
    """What a server reads of the form that is sent on."""
    source = form.rewritten(fields)
    body = b"".join([piece async for piece in source.pieces()])
    assert len(source) == len(body)
    boundary = source.media_type.partition("boundary=")[2].encode()
    assert body.endswith(b"--" + boundary + b"--\r\n")
    parts = [one.removesuffix(b"\r\n").removeprefix(b"\r\n") for one in body.split(b"--" + boundary)[1:-1]]
    return [tuple(one.split(b"\r\n\r\n", 1)) for one in parts]


async def test_texts_are_texts_and_files_keep_every_byte_however_the_form_was_cut():
    body = part(b"model", "größe".encode()) + part(b"file", WAVE, FILE, b"Content-Type: audio/wav") + END
    chance = random.Random(7)

    for cuts in ([], [1], range(1, len(body)), *(chance.sample(range(1, len(body)), 9) for _ in range(20))):
        form = await read(body, *cuts)

        assert form["model"] == "größe"
        assert isinstance(form["file"], Part)
        assert await resent(form, model="there") == [
            (b'Content-Disposition: form-data; name="model"', b"there"),
            (b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav', WAVE),
        ]


async def test_a_form_without_a_model_gets_one():
    form = await read(part(b"file", WAVE, FILE) + END)

    assert (await resent(form, model="there"))[0] == (b'Content-Disposition: form-data; name="model"', b"there")


async def test_nothing_odd_about_a_part_reaches_the_server():
    """Each of these is read differently by one server or the other."""
    body = (
        part(b"prompt", b"aGk=", b"", b"Content-Transfer-Encoding: base64", b"X-Model: other")
        + part(b"file", b"RIFF", b'; filename="a\\"; name=\\"model"', b"Content-Type: audio/wav\tx\x01")
        + END
    )

    heads = [head for head, _ in await resent(await read(body))]

    assert heads == [
        b'Content-Disposition: form-data; name="prompt"',
        b'Content-Disposition: form-data; name="file"; filename="a_; name=_model"\r\n'
        b"Content-Type: application/octet-stream",
    ]


async def test_a_file_name_in_another_script_is_kept():
    plain = await read(part(b"file", WAVE, '; filename="größe.wav"'.encode()) + END)
    extended = await read(part(b"file", WAVE, b"; filename*=UTF-8''gr%C3%B6%C3%9Fe.wav") + END)

    for form in (plain, extended):
        assert form["file"].file_name.decode() == "größe.wav"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        part(b"model", b"x"),
        part(b"model", b"x") + b"--" + BOUNDARY,
        part(b"", b"x") + END,
        part(b"a\x01", b"x") + END,
        b"--" + BOUNDARY + b"\r\n\r\nx\r\n" + END,
        b"--" + BOUNDARY + b"\r\nContent-Disposition: attachment; name=model\r\n\r\nx\r\n" + END,
        part(b"model", b"x") + part(b"model", b"y") + END,
        part(b"MODEL", b"x") + END,
        part(b"model", b"\xff\xfe") + END,
        part(b"a", b"x") * 101 + END,
        part(b"model", b"x", b"", b"X-Long: " + b"x" * 20_000) + END,
    ],
    ids=[
        "empty",
        "no-form",
        "cut",
        "cut-in-the-end",
        "no-name",
        "control",
        "no-heads",
        "attachment",
        "twice",
        "other-spelling",
        "no-utf-8",
        "too-many",
        "long-head",
    ],
)
async def test_what_is_no_clear_form_is_refused(body):
    with pytest.raises(Problem) as refused:
        await read(body)

    assert (refused.value.status, refused.value.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    "media_type", [b"application/json", b"multipart/form-data", b"multipart/mixed; boundary=x", b"x"]
)
async def test_what_says_to_be_something_else_is_415(media_type):
    with pytest.raises(Problem) as refused:
        await read(part(b"model", b"x") + END, media_type=media_type)

    assert refused.value.status == 415


async def test_who_leaves_in_the_middle_is_gone():
    body = part(b"model", b"x") + END

    async def receive():
        return messages.pop(0)

    messages = [{"type": "http.request", "body": body[:20], "more_body": True}, {"type": "http.disconnect"}]
    with pytest.raises(CallerGone):
        await read_form(Spool(), scope(), receive)


async def test_more_than_a_megabyte_goes_to_a_file_that_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sound = WAVE * 400
    with Spool() as spool:
        body = part(b"file", sound, FILE) + END
        form = await read_form(spool, scope(), in_pieces(body, *range(65536, len(body), 65536)))
        assert isinstance(form, Form)
        assert spool.is_on_disk
        assert (await resent(form))[0][1] == sound

    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_takes_nothing_is_told_as_ours(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with Spool() as spool, pytest.raises(Problem) as refused:
        await read_form(spool, scope(), in_pieces(part(b"file", WAVE * 400, FILE) + END))

    assert (refused.value.status, refused.value.code) == (503, "unavailable")


async def test_whatever_comes_is_refused_or_means_the_same_when_it_is_read_again():
    """Bytes are changed, left out, doubled and moved about: what is let through has one meaning."""
    chance = random.Random(20271127)
    sound = [
        part(b"model", b"whisper") + part(b"file", WAVE[:200], FILE, b"Content-Type: audio/wav") + END,
        part(b"stream", b"true") + part(b"file", b"RIFF", b"; filename*=utf-8''a%20b") + part(b"prompt", b"x") + END,
    ]
    taken, refused = 0, set()
    for _ in range(1500):
        body = mangled(chance, chance.choice(sound))
        try:
            form = await read(body, *chance.sample(range(len(body)), min(3, len(body))))
        except Problem as problem:
            refused.add(problem.code)
            continue
        taken += 1
        sent = form.rewritten({})
        again = b"".join([piece async for piece in sent.pieces()])
        reread = await read_form(Spool(), scope(sent.media_type.encode()), in_pieces(again))
        assert await resent(reread) == await resent(form)
        assert {name: value for name, value in reread.items() if isinstance(value, str)} == {
            name: value for name, value in form.items() if isinstance(value, str)
        }

    assert taken > 100
    assert refused == {"invalid_request"}


def mangled(chance, body):
    for _ in range(chance.randint(1, 4)):
        at, other = sorted(chance.sample(range(len(body)), 2))
        body = chance.choice(
            [
                body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :],
                body[:at] + body[at + 1 :],
                body[:at]
                + chance.choice([b"\r\n", b"\n", b"--", b'"', b";", b"\\", b"\0", b"=", BOUNDARY])
                + body[at:],
                body[:other] + body[at:other] + body[other:],
                body[other:] + body[:other],
            ]
        )
    return body
