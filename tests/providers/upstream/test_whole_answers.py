"""An answer of 200 is one only if it holds what its operation promises."""

import orjson
import pytest

from providers.errors import ProviderError
from providers.upstream.wire import read_answer

JSON = {"content-type": "application/json"}
RANK = {"index": 1, "relevance_score": 0.5}
GOOD = {
    "rerank": {"results": [RANK, {**RANK, "index": 0, "relevance_score": 1}]},
    "moderations": {"results": [{"flagged": False}]},
    "images.generations": {"data": [{"b64_json": "aGk=", "url": None}]},
    "embeddings": {"data": [{"embedding": "AAAA"}]},
}
BAD = [
    ("rerank", {"results": None}),
    ("rerank", {"results": []}),
    ("rerank", {"results": ["first"]}),
    ("rerank", {"results": [RANK, {"index": 0}]}),
    ("rerank", {"results": [{**RANK, "relevance_score": None}]}),
    ("rerank", {"results": [{**RANK, "relevance_score": True}]}),
    ("rerank", {"results": [{**RANK, "index": "1"}]}),
    ("rerank", {"results": [{**RANK, "index": True}]}),
    ("rerank", {"results": [{**RANK, "index": -1}]}),
    ("rerank", {"results": [{**RANK, "index": 2}]}),
    ("moderations", {"results": [{"flagged": "no"}]}),
    ("moderations", {"results": [{"flagged": True}, {}]}),
    ("images.generations", {"data": [{"url": "http://10.0.0.7:8080/generated-images/b1.png"}]}),
    ("images.generations", {"data": [{"b64_json": "aGk="}, {"b64_json": ""}]}),
    ("images.generations", {"results": [{"b64_json": "aGk="}]}),
]


@pytest.mark.parametrize("operation", GOOD)
def test_what_holds_what_it_should_is_read(operation):
    raw = orjson.dumps(GOOD[operation])

    assert read_answer(operation, raw, JSON, asked=["a", "b"]) == GOOD[operation]


@pytest.mark.parametrize(("operation", "content"), BAD)
def test_what_does_not_is_no_answer(operation, content):
    with pytest.raises(ProviderError) as refused:
        read_answer(operation, orjson.dumps(content), JSON, asked=["a", "b"])

    assert refused.value.code == "bad_response"
    assert "10.0.0.7" not in refused.value.message
