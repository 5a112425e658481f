"""The recipe of the bundled models: one seeded command per step; an interrupted step resumes.

    python -m weibo_tui.starter.recipe split DATA WORK      split the data into parts without common texts
    python -m weibo_tui.starter.recipe pretrain WORK        make the base
    python -m weibo_tui.starter.recipe tune WORK            tune it on labels and emoticons, and save it as int8
    python -m weibo_tui.starter.recipe adapters WORK        train and calibrate the adapters (--only NAME)
    python -m weibo_tui.starter.recipe baselines WORK       score the baselines on the same split
    python -m weibo_tui.starter.recipe score WORK           score the adapters, and predict the probes
    python -m weibo_tui.starter.recipe card WORK            write the model card
    python -m weibo_tui.starter.recipe bundle WORK          copy all of it into the package

DATA has the files in `sources.DATASETS`. WORK is a folder for intermediate results: `parts/`, `corpus.txt`, a `home/`
with runs, and `starter/`, which is bundled at the end.
"""
