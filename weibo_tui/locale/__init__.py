"""Messages in the user's language.

The messages in the source are English (`weibo_tui.pot` lists them); `zh_CN` has the Simplified Chinese ones.
`.github/CONTRIBUTING.md` has the commands that update both.

The language is that of WEIBO_TUI_LANGUAGE, or `language` in the settings file. If it is missing or `auto`, LC_ALL,
LC_MESSAGES or LANG decide. The catalog is read with the first message.
"""

from __future__ import annotations

import gettext as _gettext
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from weibo_tui.paths import Paths
from weibo_tui.text.terminal import truncate

_translations: _gettext.NullTranslations | None = None


def gettext(message: str) -> str:
    """Return ``message`` in the user's language."""
    return catalog().gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    """Return the form for ``n`` things in the user's language."""
    return catalog().ngettext(singular, plural, n)


def in_all_languages(message: str) -> tuple[str, ...]:
    """Return ``message`` in English and in Chinese, for searches."""
    return message, _read("zh_CN").gettext(message)


def N_(message: str) -> str:  # noqa: N802 - the name that message extraction knows
    """Mark ``message`` for translation where it stands; pass it to `gettext` where it is shown."""
    return message


def join_sentences(*sentences: str) -> str:
    """Return sentences as one text. Chinese has no space between them."""
    return gettext("{first} {second}").format(first="", second="").join(sentences)


def join_list(items: Iterable[str], limit: int | None = None) -> str:
    """Return items as an enumeration in the user's language: `a, b`. After `limit` items, add `…`."""
    shown = list(items)
    if limit is not None and len(shown) > limit:
        shown = [*shown[:limit], "…"]
    return gettext("{first}, {second}").format(first="", second="").join(shown)


def join_names(names: Iterable[str], limit: int = 6) -> str:
    """Return names for a sentence about them, truncated. After `limit` names, add `…` and the number of all."""
    shown = list(map(truncate, names))
    text = join_list(shown, limit)
    return text if len(shown) <= limit else with_note(text, f"{len(shown):,}")


def with_note(text: str, note: str) -> str:
    """Return a text with a note in brackets: `a (b)`."""
    return gettext("{text} ({note})").format(text=text, note=note)


def use(language: str) -> None:
    """Use ``language`` ('en' or 'zh_CN') from now on; 'auto' detects it at the next message."""
    global _translations  # noqa: PLW0603 - one language a process
    _translations = None if language == "auto" else _read(language)


def catalog() -> _gettext.NullTranslations:
    """Return the messages of the user's language."""
    global _translations  # noqa: PLW0603 - one language a process
    if _translations is None:
        _translations = _read(_language())
    return _translations


def language_tag() -> str:
    """Return the language of the messages, as HTML names it."""
    return "zh-CN" if "language" in catalog().info() else "en"


@cache
def _read(language: str) -> _gettext.NullTranslations:
    if not language.lower().startswith("zh"):
        return _gettext.NullTranslations()
    return _gettext.translation("weibo_tui", Path(__file__).parent, languages=["zh_CN"])


def _language() -> str:
    chosen = os.environ.get("WEIBO_TUI_LANGUAGE") or _language_in_settings()
    if chosen != "auto":
        return chosen
    system = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next(filter(None, system), "en")


def _language_in_settings() -> str:
    # Read here and not through weibo_tui.settings, which itself speaks through this module. A file that
    # cannot be read is ignored here: settings refuses it, with a message that needs a language.
    from weibo_tui.settings_file import read_settings_file

    try:
        return str(read_settings_file(Paths.find().settings_file)[1].get("language", "auto"))
    except (OSError, RuntimeError, ValueError):
        return "auto"
