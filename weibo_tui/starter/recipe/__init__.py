"""How the starter was made: one command a step, seeded, and each goes on where it was left.

    python -m weibo_tui.starter.recipe split DATA WORK      the data, in parts that share no text; the corpus
    python -m weibo_tui.starter.recipe pretrain WORK        the base, and the same in eight bits
    python -m weibo_tui.starter.recipe adapters WORK        the adapters on it, calibrated (--only NAME one of them)
    python -m weibo_tui.starter.recipe floors WORK          what a linear model gets on the same split
    python -m weibo_tui.starter.recipe score WORK           the score cards, and verdicts on the probes
    python -m weibo_tui.starter.recipe card WORK            the model card
    python -m weibo_tui.starter.recipe bundle WORK          all of it to its place in the package

DATA holds the sets as `sources.SETS` names them. WORK is a folder for everything that comes on the way: `parts/`,
`corpus.txt`, a `home/` with runs, and `starter/`, which is what is bundled in the end.
"""
