"""The original project's model on transformers, as its scripts train, save, load and predict with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import models
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import GPT2Model

# `[PAD]`, which its training script sets, and the end of text of the English GPT-2, which its predict script keeps.
TRAINED_PAD, PREDICTED_PAD = 0, 50256
LENGTH = 128


class AdapterLayer(nn.Module):
    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down_project = nn.Linear(width, bottleneck)
        self.up_project = nn.Linear(bottleneck, width)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.up_project(torch.relu(self.down_project(x)))
        return x + change


class AdaptedBlock(nn.Module):
    def __init__(self, block: nn.Module, width: int, bottleneck: int) -> None:
        super().__init__()
        self.original_block = block
        self.adapter = AdapterLayer(width, bottleneck)

    def forward(self, *arguments: Any, **options: Any) -> Any:
        out = self.original_block(*arguments, **options)
        if isinstance(out, tuple):
            return self.adapter(out[0]), *out[1:]
        return self.adapter(out)


class Original(nn.Module):
    """The model `backbone` with an adapter after each block and a head, with random weights."""

    def __init__(self, backbone: GPT2Model, seed: int = 0, labels: int = 2, bottleneck: int = 64) -> None:
        from transformers import GPT2ForSequenceClassification

        super().__init__()
        config = type(backbone.config).from_dict(backbone.config.to_dict() | {"num_labels": labels})
        self.gpt2 = GPT2ForSequenceClassification(config)
        self.gpt2.transformer.load_state_dict(backbone.state_dict())
        added: list[nn.Module] = [self.gpt2.score]
        for index, block in enumerate(self.gpt2.transformer.h):
            adapted = AdaptedBlock(block, config.n_embd, bottleneck)
            self.gpt2.transformer.h[index] = adapted
            added.append(adapted.adapter)
        for number, module in enumerate(added):
            models.randomize(module.named_parameters(), seed + number)
        self.eval()

    def predict(self, posts: Sequence[str], folder: Path, pad: int = TRAINED_PAD) -> Tensor:
        """Return the probabilities (posts, labels) of its scripts; `folder` has the model."""
        from transformers import BertTokenizer

        encoding = BertTokenizer.from_pretrained(folder)(
            list(posts), max_length=LENGTH, padding="max_length", truncation=True, return_tensors="pt"
        )
        self.gpt2.config.pad_token_id = pad
        with torch.inference_mode():
            logits = self.gpt2(input_ids=encoding["input_ids"], attention_mask=encoding["attention_mask"]).logits
        return torch.softmax(logits, dim=1)


def write_original(folder: Path, seed: int = 0, **changes: Any) -> Original:
    """Write the original project's model and trained checkpoint into `folder`."""
    backbone = models.reference(seed, **({"n_positions": 160} | changes))
    models.write_folder(folder / "models" / "gpt2-chinese", backbone, weights="pytorch_model.bin")
    original = Original(backbone.to_transformers(), seed)
    torch.save(original.state_dict(), folder / "best_weibo_sentiment_model.pth")
    return original
