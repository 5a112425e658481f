"""Hashtags of posts: `#话题#`."""

from __future__ import annotations

import re

TOPIC = re.compile(r"#([^#\s][^#\n]{0,38})#")
"""Pattern of a hashtag; its group is the topic."""
