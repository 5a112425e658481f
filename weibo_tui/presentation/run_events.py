"""Sentences about the events of a run, from the JSON objects of its journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weibo_tui.display_names import display_name
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.presentation.numbers import NO_FIGURE, duration, figure, percent, size


def compute_setup(started: Mapping[str, Any]) -> str:
    """Return the device and the dtype of a run, and the number of its processes where it has several."""
    setup = [str(started.get(key)) for key in ("device", "dtype")]
    if (processes := int(figure(started.get("processes")) or 1)) > 1:
        setup.append(ngettext("{number:,} process", "{number:,} processes", processes).format(number=processes))
    return join_list(setup)


def posts_per_split(started: Mapping[str, Any]) -> str:
    """Return the number of posts in each split of a run, as in `train 800, validation 100, test 100`."""
    posts = started.get("posts")
    posts = posts if isinstance(posts, Mapping) else {}
    return join_list(f"{display_name(str(split))} {int(figure(count) or 0):,}" for split, count in posts.items())


def describe_event(event: Mapping[str, Any]) -> str:
    """Return a sentence about an evaluation, the cache, a halved batch or a delayed journal."""
    match event.get("event"):
        case "Evaluated":
            return _evaluation(event)
        case "CachePlanned":
            if event.get("used"):
                message = _("The cache of activations needs up to {size} on disk; {free} are free.")
            else:
                message = _(
                    "The cache of activations would need {size} on disk, and {free} are free, a fifth of which is "
                    "kept. Training without it, which takes longer."
                )
            return message.format(**{name: size(figure(event.get(name)) or 0) for name in ("size", "free")})
        case "ActivationsCached":
            message = _("Activations cached: {size} in {time}.")
            seconds = figure(event.get("seconds")) or 0
            return message.format(size=size(figure(event.get("size")) or 0), time=duration(seconds))
        case "BatchHalved":
            message = _("Out of memory: each step is now computed in parts of {tokens} tokens.")
            return message.format(tokens=f"{int(figure(event.get('tokens')) or 0):,}")
        case "JournalDelayed":
            return _("Warning: another program is writing to the database. The journal waits for it.")
        case kind:
            raise ValueError(kind)


def _evaluation(event: Mapping[str, Any]) -> str:
    loss, accuracy, f1 = (figure(event.get(name)) for name in ("loss", "accuracy", "macro_f1"))
    loss_text = NO_FIGURE if loss is None else f"{loss:.3f}"
    step = f"{int(figure(event.get('step')) or 0):,}"
    if accuracy is None:
        return _("Validation loss {loss} after step {step}.").format(loss=loss_text, step=step)
    best = _(", best so far") if event.get("best") else ""
    message = _("Epoch {epoch}: validation loss {loss}, accuracy {accuracy}, macro F1 {f1}{best}.")
    if event.get("in_epoch"):
        message = _("Epoch {epoch}, step {step}: validation loss {loss}, accuracy {accuracy}, macro F1 {f1}{best}.")
    return message.format(
        epoch=event.get("epoch"), step=step, loss=loss_text, accuracy=percent(accuracy), f1=percent(f1), best=best
    )
