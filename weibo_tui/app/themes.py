"""The dark and the light theme, and the colors of labels and curves for all themes."""

from __future__ import annotations

from textual.theme import Theme

# They differ in lightness too, and every use has a sign or a word next to the color.
_DARK = {
    "positive": "#6cc08b",
    "negative": "#f0776c",
    "label-1": "#7aa2f7",
    "label-2": "#e0af68",
    "label-3": "#bb9af7",
    "label-4": "#7dcfff",
    "label-5": "#f7768e",
    "label-6": "#9ece6a",
    # Textual's defaults are "auto", which is plain white or black inside a text.
    "text-muted": "#9096a1",
    "text-disabled": "#565b66",
}
_LIGHT = {
    "positive": "#1f7a45",
    "negative": "#c0392b",
    "label-1": "#2b59c3",
    "label-2": "#9a6700",
    "label-3": "#7a3fb8",
    "label-4": "#0b7285",
    "label-5": "#b4234f",
    "label-6": "#4b7a10",
    "text-muted": "#666a73",
    "text-disabled": "#a9acb1",
}

DARK = Theme(
    name="weibo-dark",
    primary="#e8833a",
    secondary="#7aa2f7",
    accent="#e8833a",
    warning="#e0af68",
    error="#f0776c",
    success="#6cc08b",
    foreground="#d8dae0",
    background="#15171c",
    surface="#1c1f26",
    panel="#262a33",
    dark=True,
    variables={
        **_DARK,
        "scrollbar": "#3a3f4b",
        "scrollbar-background": "#15171c",
        "footer-key-foreground": "#e8833a",
        "block-cursor-text-style": "none",
    },
)

LIGHT = Theme(
    name="weibo-light",
    primary="#b8560f",
    secondary="#2b59c3",
    accent="#b8560f",
    warning="#9a6700",
    error="#c0392b",
    success="#1f7a45",
    foreground="#23262d",
    background="#fafaf7",
    surface="#f1f1ec",
    panel="#e4e4dd",
    dark=False,
    variables={
        **_LIGHT,
        "scrollbar": "#c9c9c0",
        "scrollbar-background": "#fafaf7",
        "footer-key-foreground": "#b8560f",
        "block-cursor-text-style": "none",
    },
)


def label_colors(dark: bool) -> dict[str, str]:
    """Return the colors of labels and curves for themes that define none."""
    return _DARK if dark else _LIGHT
