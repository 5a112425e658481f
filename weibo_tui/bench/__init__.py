"""`weibo-tui bench`: what this machine does, measured beside the plain recipe in the same run.

Each subject (train, predict, start, ui, history) is a module with `measure(wanted)`, a generator of `Progress` and
`Comparison`. What is compared runs in processes of its own (`contenders`), in turn, round after round, so that neither
the memory nor the warm caches of one are the other's.
"""
