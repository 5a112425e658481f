"""The app in a browser: `weibo-tui serve`."""
