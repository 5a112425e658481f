"""Commands: train, evaluate, audit, bases, adapters, history and runs."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import models
import torch
from commands import Command, json_lines, listing, table
from made_up import numeral
from safetensors.torch import load_file, save_file

from weibo_tui import Workbench
from weibo_tui.atomic import sha256
from weibo_tui.cli.commands import MODULES, command_line
from weibo_tui.engine.score_card import ScoreCard
from weibo_tui.registry import cards
from weibo_tui.registry.adapters import WEIGHTS
from weibo_tui.text.spreadsheet import unescape_formula

ALIASES = (
    "train: --column x / --text-column x",
    "train: --validation 0.2 / --val-fraction 0.2",
    "train: --test 0.2 / --test-fraction 0.2",
    "train: --accumulation 2 / --grad-accumulation-steps 2",
    "train: --warmup 0.2 / --warmup-ratio 0.2",
    "train: --clip 2 / --max-grad-norm 2",
    "train: --early-stopping 2 / --patience 2",
    "train: --early-stopping 2 / --early-stopping-patience 2",
    "train: --init 0.1 / --init-std 0.1",
    "train: --bottleneck 8 / --adapter-dim 8",
    "train: --blocks last4 / --layers last4",
    "train: --keep-states / --cache-activations",
    "predict: --out x / --output x",
    "predict: --out x / -o x",
    "data get: --out x / -o x",
    "bases pretrain: --context 8 / --seq-len 8",
    "bases pretrain: --width 8 / --hidden-size 8",
    "bases pretrain: --positions 8 / --max-positions 8",
    "bases pretrain: --recall 2 / --bow-loss-weight 2",
    "bases pretrain: --hide 0.2 / --emoticon-mask-rate 0.2",
    "bases pretrain: --units pieces / --tokenizer pieces",
    "history export: out.csv --no-guard / out.csv --no-escape-formulas",
)


def test_option_aliases_set_the_same_values() -> None:
    def parse(words: str, arguments: str) -> dict[str, Any]:
        command: Any = command_line()
        for name in words.split():
            command = command.commands[name]
        values: dict[str, Any] = command.make_context(words, arguments.split()).params
        return values

    for case in ALIASES:
        words, both = case.split(": ")
        first, second = both.split(" / ")
        defaults = parse(words, "out.csv" if "out.csv" in first else "")
        assert parse(words, first) == parse(words, second) != defaults, case


def test_command_aliases_are_the_same_but_hidden(command: Command) -> None:
    program: Any = command_line()
    for names in ("bases get download", "data get download", "bases use set-default", "adapters use set-default"):
        group, name, alias = names.split()
        check_alias(program.commands[group].commands, name, alias, command.ok(group, "--help").out)
    for name, alias in (("audit", "inspect"), ("launch", "tui")):
        check_alias(program.commands, name, alias, command.ok("--help").out)


def test_each_module_adds_the_commands_in_its_list() -> None:
    for module, names in MODULES.items():
        assert command_line(module).commands.keys() - {"launch", "tui"} == set(names)


def check_alias(commands: Any, name: str, alias: str, help_page: str) -> None:
    assert inspect.unwrap(commands[name].callback) is inspect.unwrap(commands[alias].callback)
    assert f"\n  {alias} " not in help_page


def test_train_json_lines_are_events(command: Command, furnished: Path, few: Path, tmp_path: Path) -> None:
    chinese = few.rename(tmp_path / "评论.csv")  # no letters that a name may have
    result = command.ok("train", chinese, "--json", "--epochs", "2", "--batch-size", "8", "--threads", "1")
    events = json_lines(result.out)
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["RunStarted", "CheckpointSaved"]
    assert kinds[-1] == "RunFinished"
    assert kinds.count("StepDone") == events[0]["steps"] == 8
    assert kinds.count("Evaluated") == 2
    assert [event["step"] for event in events if event["event"] == "StepDone"] == list(range(1, 9))
    assert events[-1]["name"] == "adapter"
    assert "\x1b" not in result.err  # no bars without a terminal


def test_train_text_prints_only_the_score_card(command: Command, furnished: Path, few: Path) -> None:
    result = command.ok("train", few, "--epochs", "1", "--threads", "1")
    assert [line.split()[0] for line in result.out.splitlines()[:4]] == ["Posts", "Accuracy", "no", "only"]
    assert "Epoch 1: validation loss" in result.err
    assert "Saved as 'few'" in result.err  # the name of the file
    assert "Run " not in result.out
    assert listing(furnished)["adapters/few/adapter.safetensors"]


def test_evaluate_json_has_promised_keys(command: Command, furnished: Path, few: Path, tmp_path: Path) -> None:
    with few.open("a", encoding="utf-8") as file:
        file.write("0,今天的面真好吃，很喜欢[哈哈]\n1,电影太差了，再也不来[怒]\n1,\n")
    result = command.ok("evaluate", few, "--json", "--errors", tmp_path / "errors.csv")
    (score,) = json_lines(result.out)
    assert list(score) == [
        *(field.name for field in dataclasses.fields(ScoreCard)),
        *("seen_in_training", "unlabeled", "several_labels", "dropped", "labels_read_as"),
    ]
    assert score["sources"] == []  # of a single file
    assert sum(part["n"] for part in score["lengths"]) == 42
    assert score["labels_read_as"] == {"0": "negative", "1": "positive"}
    assert "Labels: 0 = negative, 1 = positive\n" in result.err
    assert (score["n"], score["failed"]) == (42, 1)
    assert score["labels"] == ["negative", "positive"]
    assert list(score["per_label"]["negative"]) == ["precision", "recall", "f1", "support"]
    assert list(score["emoticons"]) == ["with", "without", "only"]
    assert score["accuracy_ci"][0] <= score["accuracy"] <= score["accuracy_ci"][1]
    wrong = table(tmp_path / "errors.csv")
    assert list(wrong[0]) == [
        *("text", "label", "predicted", "confidence", "prob_negative", "prob_positive", "file", "row")
    ]
    assert len(wrong) == sum(map(sum, score["confusion"])) - sum(score["confusion"][i][i] for i in range(2)) >= 2
    assert {"今天的面真好吃，很喜欢[哈哈]", "电影太差了，再也不来[怒]"} <= {row["text"] for row in wrong}
    sure = [float(row["confidence"]) for row in wrong]
    assert sure == sorted(sure, reverse=True)
    assert all(row["label"] != row["predicted"] for row in wrong)


def test_evaluate_counts_posts_seen_in_training(
    command: Command, furnished: Path, posts_file: Path, tmp_path: Path
) -> None:
    def evaluate(*words: str | Path) -> dict[str, Any]:
        return json_lines(command.ok("evaluate", *words, "--json").out)[0]

    result = command.ok("evaluate", posts_file, "--json")
    # Equal posts may be both in the training part and in the test part.
    assert 900 <= json_lines(result.out)[0]["seen_in_training"] < 1000
    assert "of 1,000 posts are in the adapter's training data, so the score is optimistic" in result.err

    header, *rows = posts_file.read_text(encoding="utf-8").splitlines()
    new = [f"{n % 2},谁也没见过的{numeral(n)}号{'好' if n % 2 else '坏'}消息" for n in range(40)]
    files = {"part": rows[:100], "shuffled": [*rows[50:100][::-1], *new, *rows[:50]], "unseen": new}
    for name, lines in files.items():
        (tmp_path / name).with_suffix(".csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    part, shuffled, unseen = (tmp_path / f"{name}.csv" for name in files)
    known = evaluate(part)["seen_in_training"]
    assert known > 80
    score = evaluate(shuffled)
    assert (score["n"], score["seen_in_training"]) == (140, known)
    assert evaluate(part, shuffled)["seen_in_training"] == 2 * known
    result = command.ok("evaluate", unseen, "--json")
    assert json_lines(result.out)[0]["seen_in_training"] == 0
    assert result.err.splitlines() == [
        "unseen.csv: CSV, UTF-8, posts in review, labels in label, 40 rows",
        "Labels: 0 = negative, 1 = positive",
    ]

    command.ok("adapters", "export", "mood", tmp_path / "mood.zip")
    command.ok("adapters", "import", tmp_path / "mood.zip", "--name", "twin")
    assert evaluate(part, "--adapter", "twin")["seen_in_training"] == known


def test_evaluate_unknown_labels_are_refused(command: Command, wb: Workbench, tmp_path: Path) -> None:
    labels = ("neutral", "angry", "happy")
    models.add_adapter(wb, wb.bases.open("small"), "emotion", labels=labels, raw_labels=labels)
    data = tmp_path / "posts.csv"
    data.write_text("label,review\n0,今天真好\n1,明天更好\n", encoding="utf-8")
    result = command("evaluate", data, "--adapter", "emotion", "--json")
    assert (result.code, result.out) == (2, "")
    assert (
        "the label 0 (negative) is not in the set (neutral, angry, happy). The data has the labels 0, 1." in result.err
    )
    data.write_text("label,review\nhappy,今天真好\nangry,明天更好\n", encoding="utf-8")
    assert json_lines(command.ok("evaluate", data, "--adapter", "emotion", "--json").out)[0]["n"] == 2


def test_huge_weights_are_refused_everywhere(command: Command, wb: Workbench, tmp_path: Path) -> None:
    card = models.add_adapter(wb, wb.bases.open("small"), "huge", temperature=1e-4)
    weights, place = wb.adapters.path("huge") / WEIGHTS, wb.adapters.path("huge") / cards.CARD
    tensors = load_file(weights)
    save_file(tensors | {"head.weight": torch.full_like(tensors["head.weight"], 3e38)}, weights)
    place.write_bytes(cards.write(dataclasses.replace(card, weights_sha256=sha256(weights))))
    data, out = tmp_path / "posts.csv", tmp_path / "out.csv"
    data.write_text("label,review\n0,今天真好\n1,明天更好\n", encoding="utf-8")
    for words in (["evaluate", data], ["predict", "--file", data, "--out", out], ["predict", "今天真好"]):
        result = command(*words, "--adapter", "huge")
        assert (result.code, result.out) == (1, "")
        assert "head.weight" in result.err
    assert not out.exists()


def test_audit_json_counts_posts(command: Command, tmp_path: Path, home: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("label,review\n1,好[哈哈]\n0,好[哈哈]\n0,差\n0,差\n0,\n", encoding="utf-8")
    (figures,) = json_lines(command.ok("audit", path, "--json").out)
    assert list(figures) == [
        *("files", "rows", "empty", "unlabelled", "labels", "duplicates", "contradictions"),
        *("length", "emoticons", "reposts", "word_duplicates", "word_contradictions", "near_duplicates"),
        *("several_labels", "dropped", "labels_read_as"),
    ]
    assert (figures["rows"], figures["empty"], figures["duplicates"], figures["contradictions"]) == (5, 1, 2, 1)
    assert figures["labels"] == {"negative": 3, "positive": 1}
    shown = command.ok("audit", path).out
    assert "Duplicates     2; texts with conflicting labels: 1" in shown
    assert "too few labeled posts to see how well emoticons predict the labels" in shown
    assert "baseline" not in shown
    assert listing(home) == {".": "folder"}
    path.write_text("label,review\n1,好\n2,一般\n5,差\n5.5,很差\n", encoding="utf-8")
    assert "use --map '<3.25=negative; >=3.25=positive'." in command.ok("audit", path).out
    shown = command.ok("audit", path, "--map", "<3=positive", "--map", "5，5.5=negative").out
    assert "Labels         5 / 5.5 = negative, 1 / 2 = positive\n" in shown


def test_bases_are_listed_added_and_removed(command: Command, furnished: Path) -> None:
    (tiny,) = json_lines(command.ok("bases", "list", "--json").out)
    assert (tiny["name"], tiny["default"]) == ("tiny", True)
    result = command.ok("bases", "add", furnished / "bases" / "tiny", "--name", "again", "--json")
    assert json_lines(result.out)[0]["fingerprint"] == tiny["fingerprint"]
    shown = command.ok("bases", "list").out.splitlines()
    assert [line.split()[0] for line in shown[1:]] == ["again", "*"]
    result = command.ok("bases", "remove", "tiny")
    assert (result.out, result.err) == ("", "Removed base 'tiny'.\n")
    assert command.ok("predict", "今天的面真好吃").out.startswith("positive")  # the same model under its other name
    command.ok("bases", "remove", "again")
    assert command.ok("bases", "list", "--json").out == ""
    assert "needs base 'tiny'" in command("predict", "今天的面真好吃").err


def test_base_exported_and_imported_is_the_same(command: Command, furnished: Path, tmp_path: Path) -> None:
    packed = tmp_path / "tiny.tar.gz"
    before = command.ok("predict", "--json", "--no-history", "今天的面真好吃").out
    result = command.ok("bases", "export", "tiny", packed)
    assert (result.out, result.err) == (f"{packed}\n", "")
    command.ok("bases", "remove", "tiny")
    result = command.ok("bases", "import", packed)
    assert (result.out, result.err) == ("", "Imported base 'tiny'.\n")
    assert json_lines(command.ok("bases", "list", "--json").out)[0]["default"]  # the only one is
    assert command.ok("predict", "--json", "--no-history", "今天的面真好吃").out == before
    assert command("bases", "import", packed).code == 2
    command.ok("bases", "import", packed, "--name", "twin")
    files = listing(furnished)
    for file in ("model.safetensors", "tokenizer.json", "config.json", "tokenizer_config.json"):
        assert files[f"bases/twin/{file}"] == files[f"bases/tiny/{file}"]


def test_bases_and_adapters_are_renamed(command: Command, furnished: Path) -> None:
    before = json_lines(command.ok("predict", "--json", "今天的面真好吃").out)[0]
    assert command.ok("bases", "rename", "tiny", "small").err == "Renamed base 'tiny' to 'small'.\n"
    result = command.ok("adapters", "rename", "mood", "humour")
    assert (result.out, result.err) == ("", "Renamed adapter 'mood' to 'humour'.\n")
    (base,) = json_lines(command.ok("bases", "list", "--json").out)
    (adapter,) = json_lines(command.ok("adapters", "list", "--json").out)
    assert (base["name"], base["default"]) == ("small", True)
    assert (adapter["name"], adapter["default"]) == ("humour", True)
    assert json_lines(command.ok("predict", "--json", "今天的面真好吃").out)[0] == before | {"adapter": "humour"}


def test_adapter_exported_and_imported_is_the_same(command: Command, furnished: Path, tmp_path: Path) -> None:
    packed = tmp_path / "mood.zip"
    assert command.ok("adapters", "export", "mood", packed, "--format", "native").out == f"{packed}\n"
    result = command.ok("adapters", "import", packed, "--name", "twin")
    assert result.out == ""
    assert result.err.splitlines() == [
        "Imported adapter 'twin'.",
        "To make it the default: weibo-tui adapters use twin",
    ]
    files = listing(furnished)
    assert files["adapters/twin/adapter.safetensors"] == files["adapters/mood/adapter.safetensors"]
    assert command("adapters", "import", packed, "--name", "twin").code == 2
    command.ok("adapters", "import", packed, "--name", "twin", "--overwrite")
    words = ("predict", "--json", "今天的面真好吃", "--adapter")
    mood, twin = (json_lines(command.ok(*words, name).out)[0]["probabilities"] for name in ("mood", "twin"))
    assert mood == twin
    (card,) = json_lines(command.ok("adapters", "show", "twin", "--json").out)
    assert (card["name"], card["base"], card["labels"]) == ("twin", "tiny", ["negative", "positive"])
    assert "Base         tiny (" in command.ok("adapters", "show", "twin").out
    assert command.ok("adapters", "use", "twin").err == "'twin' is the default adapter now.\n"
    assert json_lines(command.ok("predict", "--json", "今天的面真好吃").out)[0]["adapter"] == "twin"
    adapters = json_lines(command.ok("adapters", "list", "--json").out)
    assert {adapter["name"]: adapter["default"] for adapter in adapters} == {"mood": False, "twin": True}
    command.ok("adapters", "remove", "twin")
    (prediction,) = json_lines(command.ok("predict", "--json", "今天的面真好吃").out)
    assert prediction["adapter"] == "mood"  # the only one left


def test_adapter_with_many_labels_is_listed_on_one_line(command: Command, furnished: Path) -> None:
    path = furnished / "adapters" / "mood" / "card.json"
    card = json.loads(path.read_bytes())
    card["labels"] = card["raw_labels"] = [f"label {number}" for number in range(1000)]
    path.write_text(json.dumps(card))
    _head, line = command.ok("adapters", "list").out.splitlines()
    assert "label 0, label 1" in line
    assert "…" in line
    assert len(line) < 200


def test_history_export_reads_back_equal(command: Command, furnished: Path, tmp_path: Path) -> None:
    posts = [*(f"{sign}1+1 真好吃" for sign in "=+-@'\t"), "''好", '第一行"真好"\n第二行\r\n第三行,好', "普通的"]
    command.ok("predict", "--", *posts)
    path = tmp_path / "history.csv"
    result = command.ok("history", "export", path)
    assert (result.out, result.err) == (f"{path}\n", f"{len(posts)} predictions written.\n")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = table(path)
    assert {"text", "label", "confidence", "adapter", "created_at"} <= set(rows[0])
    assert not any(row["text"].startswith(tuple("=+-@\t")) for row in rows)
    assert [unescape_formula(row["text"]) for row in rows] == posts
    command.ok("history", "export", path, "--no-guard", "--no-bom", "--overwrite")
    assert not path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [row["text"] for row in table(path, "utf-8")] == posts
    command.ok("history", "export", path, "--readable", "--overwrite")
    assert {"time", "human_label", "prob_negative", "prob_positive"} <= set(table(path)[0])
    assert command.ok("history", "clear", "--yes").err == f"Deleted {len(posts)} history entries.\n"
    command.ok("history", "export", path, "--overwrite")
    assert table(path) == []


def test_runs_are_listed_shown_exported_and_removed(command: Command, furnished: Path, tmp_path: Path) -> None:
    newest, oldest = json_lines(command.ok("runs", "list", "--json").out)
    assert (newest["kind"], newest["name"], newest["state"]) == ("train", "mood", "finished")
    assert (oldest["kind"], oldest["name"], oldest["state"]) == ("pretrain", "tiny", "finished")
    assert next(iter(newest)) == "id"
    run = newest["id"]
    assert run > oldest["id"]
    shown = json_lines(command.ok("runs", "show", run, "--json").out)[0]
    assert [item["epoch"] for item in shown["evaluations"]] == [1, 2, 3, 4, 5, 6]
    assert len(command.ok("runs", "show", run).out.splitlines()) == 8
    assert command.ok("runs", "export", run, tmp_path / "run.jsonl").out == f"{tmp_path / 'run.jsonl'}\n"
    events = json_lines((tmp_path / "run.jsonl").read_text("utf-8"))
    assert (events[0]["event"], events[-1]["event"]) == ("RunStarted", "RunFinished")
    command.ok("runs", "export", run, tmp_path / "run.csv")
    assert [row["event"] for row in table(tmp_path / "run.csv")] == [event["event"] for event in events]
    with closing(sqlite3.connect(furnished / "weibo-tui.db")) as database, database:
        database.execute("UPDATE events SET data = json_object('event', event) WHERE event = 'Evaluated'")
    assert "Validation loss – after step 0." in command.ok("runs", "show", run).out
    command.ok("runs", "remove", run)
    assert [item["name"] for item in json_lines(command.ok("runs", "list", "--json").out)] == ["tiny"]
    assert command.ok("predict", "今天的面真好吃").out  # what the run made stays


def test_train_preset_sets_values_and_options_win(command: Command, furnished: Path, few: Path) -> None:
    command.ok("train", few, "--preset", "best", "--epochs", "1", "--seed", "3", "--threads", "1")
    with Workbench() as wb:
        plan = wb.runs.list()[0].plan["plan"]
        card = wb.adapters.card("few")
    assert (plan["hyper"]["epochs"], plan["hyper"]["patience"], plan["split_seed"]) == (1, 2, 3)
    assert (card.hyperparameters["seed"], card.data["split_seed"]) == (3, 3)
    for words, problem in (
        (("--preset", "fast"), "preset is fast and must be one of quick, balanced, best, few"),
        (
            ("--preset", "quick"),
            "leaves no activations to cache below an adapter in last-third",
        ),  # the base has only two blocks
    ):
        result = command("train", few, "--name", "other", *words)
        assert result.code == 2
        assert problem in result.err
    assert "quick: last third of the blocks, cached activations, 2 epochs" in " ".join(
        command.ok("train", "--help").out.split()
    )


def test_evaluate_scores_each_file_and_length(command: Command, furnished: Path, few: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.csv"
    long.write_text("label,review\n" + "".join(f"{n % 2},第{n}天{'好吃' * (30 + n)}\n" for n in range(50)), "utf-8")
    (score,) = json_lines(command.ok("evaluate", few, long, "--json").out)
    assert [(part["name"], part["n"]) for part in score["sources"]] == [(few.name, 40), ("long.csv", 50)]
    lengths = {part["name"]: part["n"] for part in score["lengths"]}
    assert sum(lengths.values()) == 90 and lengths["141+"] == 11
    assert all(part["low"] <= part["accuracy"] <= part["high"] for part in score["sources"] + score["lengths"])
