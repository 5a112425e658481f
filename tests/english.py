"""A model folder like the English GPT-2's: byte-level vocabulary, no padding token, no prefix or suffix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import models
from tokenizers import ByteLevelBPETokenizer

END = "<|endoftext|>"
LINES = [
    "the rain in the morning was heavy, and nobody had an umbrella with them",
    "this noodle shop is better than the one near the station, we will come again",
    "the phone broke after three days and the service did nothing about it",
    "happy birthday to my best friend in the whole world",
    "今天的面真好吃，今天的天气真好",
]


def bpe() -> ByteLevelBPETokenizer:
    """Return a tokenizer of all 256 bytes, some merges of `LINES`, and the end-of-text token last, as in GPT-2."""
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(LINES * 3, vocab_size=320, min_frequency=2, show_progress=False)
    tokenizer.add_special_tokens([END])
    return tokenizer


def write_folder(folder: Path, *, tokenizer: str = "vocab.json", spare_rows: int = 0, **config: Any) -> Path:
    """Write the folder, with `vocab.json` and `merges.txt` or `tokenizer.json`, and spare embedding rows."""
    folder.mkdir(parents=True)
    trained = bpe()
    vocabulary = trained.get_vocab(with_added_tokens=True)
    if tokenizer == "vocab.json":
        trained.save_model(str(folder))
        (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    else:
        trained.save(str(folder / "tokenizer.json"))
        write_json(folder / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer", model_max_length=64)
    model = models.reference(vocab_size=len(vocabulary) + spare_rows)
    values = model.config | {"bos_token_id": vocabulary[END], "eos_token_id": vocabulary[END]}
    write_json(folder / "config.json", **(values | {"architectures": ["GPT2LMHeadModel"]} | config))
    models.write_weights(folder / "model.safetensors", models.weights_of(model))
    return folder


def write_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
