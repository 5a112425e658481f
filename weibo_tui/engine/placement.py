"""Backbones on a device, in a dtype: for int8, with the texts whose activations give the scales."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from weibo_tui.engine.batches import pad
from weibo_tui.engine.device import Compute
from weibo_tui.engine.gpt2 import GPT2
from weibo_tui.engine.quantization import quantize_backbone
from weibo_tui.engine.tokenizer import PostTokenizer

_MAX_LENGTH = 128
# Each text is also read with half of its tokens replaced by random ones, so that all tokens of a vocabulary may occur.
_REPLACED = 0.5
_TEXTS = (
    "今天的面真好吃，下次还来！",
    "又下雨了……忘带伞，鞋全湿了[泪]",
    "哈哈哈哈哈哈笑死我了[哈哈][哈哈][哈哈]",
    "@小明 明天下午三点老地方见，别迟到，记得带上书。",
    "转发微博",
    "//@路人甲:说得太对了！//@路人乙:同意 http://t.cn/abc123",
    "这家店的服务态度太差了，等了一个小时才上菜，味道也一般，价格还贵，以后再也不会来了，也不推荐给朋友。",
    "【新闻】记者从有关部门获悉，2024年前三季度全市新增就业32.6万人，比上年同期增长4.8%，其中青年占一半以上。"
    "专家表示，随着经济持续恢复，就业形势总体稳定，但部分行业仍然面临压力，需要继续关注。",
    "宝贝收到了，颜色很正，穿着也合适，物流很快，好评！！！",
    "好难过，为什么总是这样，努力了这么久还是没有结果，谁能告诉我该怎么办？",
    "Good night~ 晚安😊 今天也要加油呀 ヾ(≧▽≦*)o #每日一善#",
    "气死我了！客服电话打了十几遍都没人接，这就是你们的态度？？？退钱！",
    "呵呵",
    "春天的风吹过湖面，柳树发芽，孩子们在草地上放风筝，老人坐在长椅上晒太阳，一切都刚刚好。",
    "看完这部电影，心里久久不能平静。演员演得好，音乐也美，只是结尾有点仓促，三星半吧。",
    "地震了？刚才晃了一下，有点怕，大家都还好吗",
)


def place(backbone: GPT2, tokenizer: PostTokenizer, compute: Compute) -> None:
    """Make a frozen backbone ready to compute, in place. With int8, predictions are all that it computes then."""
    backbone.set_compute_dtype(compute.float_dtype).to(compute.device)
    if compute.dtype == torch.int8:
        quantize_backbone(backbone, *_typical_ids(tokenizer, backbone))
    backbone.pack()


def _typical_ids(tokenizer: PostTokenizer, backbone: GPT2) -> tuple[Tensor, Tensor]:
    """Return right-padded ids (batch, length) of different texts, and their lengths (batch,)."""
    config, special = backbone.config, tokenizer.special_tokens
    posts = tokenizer.encode(_TEXTS, min(_MAX_LENGTH, config.positions))
    ids, lengths = pad(posts, np.arange(len(posts)), special.pad, backbone.device)
    random = torch.Generator().manual_seed(0)
    position = torch.arange(ids.shape[1])
    content = (position >= len(special.prefix)) & (position < lengths[:, None] - len(special.suffix))
    replaced = content & (torch.rand(ids.shape, generator=random) < _REPLACED)
    others = torch.randint(config.vocabulary, ids.shape, generator=random)
    return torch.cat([ids, torch.where(replaced, others, ids)]), lengths.repeat(2)
