"""One contender in a process of its own: `python -m weibo_tui.bench NAME ARGUMENTS`, the latter a JSON object.

`measuring.in_process` starts it; the last line of stdout is a JSON object of figures.
"""

from __future__ import annotations

import json
import sys

from weibo_tui.bench import contenders

if __name__ == "__main__":
    _program, name, arguments = sys.argv
    print(json.dumps(contenders.ALL[name](**json.loads(arguments))))
