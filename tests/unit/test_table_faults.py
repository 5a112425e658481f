"""Tables with faults: nothing in them is read wrongly without a word."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tables import LABELS, POSTS, check, read, write

from weibo_tui.datasets.reading import find_bad_rows, open_table
from weibo_tui.datasets.tables import Columns
from weibo_tui.errors import UserInputError


def write_rows(path: Path, header: str, row: str, number: int = 40) -> list[str]:
    """Write rows with `{n}` and `{post}` filled in by the csv module, and return the posts."""
    posts = [f"{POSTS[n % 6]}{n}" for n in range(number)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        for n, post in enumerate(posts):
            values = {"n": f"{n:02}", "post": f"{post}\n第二行，好\n\n结尾" if n % 7 == 0 else post}
            writer.writerow(cell.format(**values) for cell in row.split(","))
    return [f"{post}\n第二行，好\n\n结尾" if n % 7 == 0 else post for n, post in enumerate(posts)]


SHAPES = {
    "time,text": "2026-01-{n} 10:{n},{post}",
    "text,time": "{post},2026年1月{n}日",
    "url,text": "https://weibo.com/{n},{post}",
    "bid,text": "Lm{n}xY,{post}",
    "text,user": "{post},甲乙",
    "text": "{post}",
}


@pytest.mark.parametrize("header", SHAPES)
def test_quote_that_swallows_lines_is_found_or_said(tmp_path: Path, header: str) -> None:
    path = tmp_path / "f.csv"
    posts = write_rows(path, header, SHAPES[header])
    check(path, "40 rows", posts=posts, labels=None)
    text = path.read_text("utf-8")
    assert ("6 rows of up to 4 lines" in read(path)[0].summary(read(path)[2])) == (header in ("text", "text,user"))
    # A quote opens in row 15 and is closed by another at the end of a later post.
    for last in (16, 19):
        broken = text.replace(posts[15], '"' + posts[15]).replace(posts[last], posts[last] + '"')
        source, rows, report = read(write(path, broken))
        if header in ("text", "text,user"):
            assert f"7 rows of up to {max(4, last - 14)} lines" in source.summary(report)
        else:
            assert (len(rows), report.num_bad) == (39, 1)
            assert posts[15] in find_bad_rows(path)[0].content


def test_quote_that_swallows_many_rows_is_found(tmp_path: Path) -> None:
    lines = [f"{POSTS[n % 6]}{n},甲乙" for n in range(40)]
    lines[1], lines[2], lines[35] = '"今天,好",甲乙', '"今天,\n好",甲乙', '"昨天,好",甲乙'
    lines[5], lines[30] = '"' + lines[5], '外卖还好",甲乙'
    _source, rows, report = read(write(tmp_path / "f.csv", "\n".join(["text,user", *lines])))
    assert (len(rows), report.num_bad) == (39, 1)


NOTES = ("数据来源：微博", "共 120 条", "注：本表仅供参考", "Source: Weibo")


@pytest.mark.parametrize("header", ["正文,时间,点赞", "text,time", "label,review", "review,label"])
def test_notes_below_a_table_are_skipped_and_listed(tmp_path: Path, header: str) -> None:
    path, width = tmp_path / "f.csv", header.count(",") + 1
    cells = {"label": "{at}", "time": "2026-01-0{at}", "时间": "2026-01-0{at}", "点赞": "{at}", "review,label": ""}
    row = ",".join(cells.get(name, "{post}") for name in header.split(",")) + "\n"
    rows = [row.format(at=at % 2, post=post) for at, post in enumerate(POSTS)]
    for end in ("\n", "," * (width - 1) + "\n"):
        text = "".join([header + "\n", *rows, "\n", *(note + end for note in NOTES)])
        check(write(path, text), "6 rows, 4 skipped", labels=None, max_bad_rows=0.5)
        assert [bad.content.rstrip(",") for bad in find_bad_rows(path)] == list(NOTES)
    with pytest.raises(UserInputError, match="4 of 10 rows cannot be read"):
        read(path)


def test_posts_that_look_like_notes_are_kept(tmp_path: Path) -> None:
    posts = [*POSTS, "来源不明的消息", "注意安全", "共有三个人", "说明书写得真差"]
    for header, end in (("text,time,likes", ",,"), ("text,label", ",")):
        # Posts without the other cells stand among and below the others.
        lines = [f"{post}{end if at % 2 else end.replace(',', ',1')}\n" for at, post in enumerate(posts)]
        check(write(tmp_path / "f.csv", header + "\n" + "".join(lines)), "10 rows", posts=posts, labels=None)
    rows = "".join(f"{n},{post},x\n" for n, post in enumerate(POSTS))
    check(write(tmp_path / "f.csv", f"id,text,other\n{rows}6,,\n"), "7 rows", posts=[*POSTS, ""], labels=None)
    text = f"id,text,other\n{rows},没有编号,\n,数据来源：微博,\n"
    check(
        write(tmp_path / "f.csv", text), "7 rows, 1 skipped", posts=[*POSTS, "没有编号"], labels=None, max_bad_rows=0.2
    )
    posts = ["好的呀", "坏的呀", "没有标签"]
    check(
        write(tmp_path / "f.csv", "text,label,who\n好的呀,1,甲\n坏的呀,0,甲\n没有标签,,\n"),
        "3 rows",
        posts=posts,
        labels=None,
    )
    check(write(tmp_path / "f.csv", "text,label\n好的呀,1\n坏的呀,0\n没有标签,\n"), "3 rows", posts=posts, labels=None)


DAMAGE = {
    "UTF-8 text was opened as GB18030": lambda text: text.encode().decode("gbk", "replace").replace("\ufffd", "?"),
    "UTF-8 text was opened as Latin-1": lambda text: text.encode().decode("latin-1"),
    "GB18030 text was opened as Latin-1": lambda text: text.encode("gb18030").decode("latin-1"),
    "characters were lost": lambda text: text.encode("gb18030").decode("utf-8", "replace"),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_text_saved_in_a_wrong_encoding_is_refused(tmp_path: Path, message: str) -> None:
    damaged = DAMAGE[message]("\n".join(f"{n},{post}" for n, post in enumerate(POSTS)))
    for name, text in (("f.csv", f"label,review\n{damaged}\n"), ("f.txt", damaged)):
        with pytest.raises(UserInputError, match=rf"line [12]: {message}.*\. Export"):
            read(write(tmp_path / name, text))
    whole = "".join(f"{n % 2},{POSTS[n % 6]}\n" for n in range(60))
    one = DAMAGE[message]("今天的天气真好，开心极了")  # a post may show some
    assert len(read(write(tmp_path / "f.csv", f"label,review\n{whole}1,{one}\n"))[1]) == 61


def test_encoding_that_is_named_wrongly_is_refused(tmp_path: Path) -> None:
    text = "label,review\n" + "".join(f"1,{post}\n" for post in POSTS)
    with pytest.raises(UserInputError, match="line 3: not gb18030. Name the file's encoding"):
        read(write(tmp_path / "f.csv", text), encoding="gbk")
    even = "".join(f"1,{post}\n" for post in POSTS if len(post.encode()) % 2 == 0)  # which decode as GB18030
    with pytest.raises(UserInputError, match=r"line 2: the file is UTF-8, not GB18030 .* Choose it with --encoding"):
        read(write(tmp_path / "f.csv", "label,review\n" + even), encoding="gbk")
    with pytest.raises(UserInputError, match="line 2: not utf-8. Name the file's encoding"):
        read(write(tmp_path / "f.csv", text, "gb18030"), encoding="utf-8")


@pytest.mark.parametrize(
    "line",
    [
        "今日は天気がいいですね",
        "今日天氣真係好好呀，唔使返工",
        "오늘 날씨가 정말 좋네요",
        "😀😃😄😁🤣👍",
        "Привет, как дела",
        "déjà vu à côté",
    ],
)
def test_text_of_any_language_is_no_damage(tmp_path: Path, line: str) -> None:
    assert len(read(write(tmp_path / "f.txt", f"{line}\n" * 6))[1]) == 6


FORMS = {
    "f.csv": ("label,review\n", "1,{}\n"),
    "f.txt": ("", "{}\n"),
    "f.tsv": ("label\treview\n", "1\t{}\n"),
    "ft.txt": ("", "__label__a {}\n"),
    "f.jsonl": ("", '{{"label": 1, "review": "{}"}}\n'),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_line_that_does_not_decode_is_a_bad_row(tmp_path: Path, name: str, encoding: str) -> None:
    header, form = FORMS[name]
    lines = [header.encode(), *(form.format(f"{POSTS[n % 6]}{n}").encode(encoding) for n in range(60))]
    lines[30] = form.format("甲乙").encode(encoding).replace("甲".encode(encoding), b"\xff")
    path = tmp_path / name
    path.write_bytes(b"".join(lines))
    number = 30 + bool(header)
    source, rows, report = read(path)
    assert (len(rows), report.num_bad, source.encoding) == (59, 1, encoding)
    assert "59 rows, 1 skipped" in source.summary(report)
    (bad,) = find_bad_rows(path)
    assert (bad.line, bad.reason) == (number, f"not {encoding}")
    assert "\ufffd乙" in bad.content


def test_file_in_two_encodings_is_never_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    rows = [f"{n % 2},{POSTS[n % 6]}\n" for n in range(60)]
    for first, second, num_first, message in (
        ("utf-8", "gb18030", 58, ""),
        ("utf-8", "gb18030", 40, "line 42: not utf-8. 20 of 60 rows cannot be read"),
        ("utf-8", "gb18030", 10, "line 12: GB18030, but other lines are UTF-8. Save the file"),
        ("gb18030", "utf-8", 20, "line 1: not utf-8|line 2: not utf-8. 20 of 60 rows"),
        ("gb18030", "utf-8", 58, "line 2: GB18030, but other lines are UTF-8"),
    ):
        data = "".join(["label,review\n", *rows[:num_first]]).encode(first) + "".join(rows[num_first:]).encode(second)
        path.write_bytes(data)
        if message:
            with pytest.raises(UserInputError, match=message):
                read(path)
        else:
            assert "58 rows, 2 skipped" in read(path)[0].summary(read(path)[2])


def test_header_that_does_not_decode_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes(b"label,\xff\n" + "".join(f"1,{post}\n" for post in POSTS).encode())
    with pytest.raises(UserInputError, match="line 1: not utf-8"):
        read(tmp_path / "f.csv")


def test_summary_of_names_with_line_ends_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a\nb.csv", '"la\nbel",review\n' + "".join(f"1,{post}\n" for post in POSTS))
    check(path, "a b.csv: CSV", "labels in la bel", labels=None, label="1")


def test_errors_of_the_start_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "f.csv", "label,review\n1," + "好" * 17_000_000)
    with pytest.raises(UserInputError, match=rf"{path}, line 2: the row has more than"):
        read(path)
    path = write(tmp_path / "g.csv", "label,review\n1,好的呀\n")
    with pytest.raises(UserInputError, match=rf"{path} has no sheets. Leave --sheet out"):
        read(path, sheet="Sheet1")


def write_columns(path: Path, **columns: list[str]) -> Path:
    rows = zip(*columns.values(), strict=True)
    return write(path, "\n".join(map(",".join, [columns.keys(), *rows])))


COMMENTS = ["哈哈哈哈", "太对了吧", "心疼你呀", "我也是啊", "真羡慕啊", "差评差评"]
TOPICS = ["体育", "财经", "体育", "财经", "体育", "体育"]


def test_several_columns_of_posts_are_asked_for(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "f.csv", 微博内容=POSTS, 评论内容=COMMENTS)
    with pytest.raises(UserInputError, match="contain posts. Choose one with --column: 微博内容, 评论内容."):
        open_table(path)
    check(path, "posts in 评论内容", posts=COMMENTS, labels=None, text="评论内容")
    words = [" ".join(post) for post in POSTS]
    for other in (words, [post[:8] for post in POSTS], [f"<p>{post}</p>" for post in POSTS], ["", *"还行真好看"]):
        path = write_columns(tmp_path / "f.csv", text=POSTS, full_text=other)
        check(path, "posts in text", labels=None)


def test_several_columns_of_labels_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    for names in (("category", "polarity"), ("label", "sentiment"), ("情感", "类别")):
        write_columns(path, **{names[0]: TOPICS, names[1]: LABELS, "text": POSTS})
        with pytest.raises(UserInputError, match=f"labels. Choose one with --label-column: {', '.join(names)}."):
            open_table(path, need_label=True)
        assert open_table(path, Columns(label=names[1]), need_label=True).label_column == names[1]
        check(path, f"labels in {names[0]}, other labels in {names[1]}", labels=TOPICS)
    for names in (("label", "category"), ("sentiment", "rating")):
        write_columns(path, **{names[0]: LABELS, names[1]: TOPICS, "text": POSTS})
        summary = open_table(path, need_label=True).summary()
        assert f"labels in {names[0]}, other labels in {names[1]}" in summary
    named = ["负面" if label == "0" else "正面" for label in LABELS]
    summary = open_table(write_columns(path, label=LABELS, sentiment=named, text=POSTS), need_label=True).summary()
    assert "other" not in summary


def test_two_columns_of_a_name_are_chosen_by_number(tmp_path: Path) -> None:
    lines = "".join(f"{a},{b},{c}\n" for a, b, c in zip(LABELS, POSTS, COMMENTS, strict=True))
    path = write(tmp_path / "f.csv", "n,note,note\n".replace("n,", "label,", 1) + lines)
    check(path, "posts in note (3)", posts=COMMENTS, text="3")
    with pytest.raises(UserInputError, match="two columns named 'note'. Choose one by its number with --column"):
        open_table(path, Columns("note"))
    path = write(tmp_path / "f.csv", "label,text,text\n" + lines)
    with pytest.raises(UserInputError, match="two columns named 'text'. Choose one by its number with --column"):
        open_table(path)
    check(path, "posts in text", text="2")
    check(write(tmp_path / "f.csv", "text,note,note\n" + lines), "posts in note", posts=POSTS, labels=None, text="2")
    path = write(tmp_path / "f.csv", "label,text,label\n" + lines)
    with pytest.raises(UserInputError, match="two columns named 'label'. Choose one by its number with --label-column"):
        open_table(path)
    check(path, "labels in label", label="1")


def test_invisible_characters_in_a_header_are_ignored(tmp_path: Path) -> None:
    lines = "".join(f"{a},{b}\n" for a, b in zip(LABELS, POSTS, strict=True))
    for header in ("\u200blabel,re\u200bview", "\u00a0标签\u3000,微博\u3000正文", "情\u3000感,内容\ufeff"):
        path = write(tmp_path / "f.csv", header + "\n" + lines)
        check(path, "6 rows")
        assert open_table(path, Columns("2")).label_column == header.partition(",")[0]


def test_lines_with_a_label_first_are_read_apart(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    for blank, labels in ((" ", LABELS), ("\u3000", LABELS), ("  ", ["好评" if n == "1" else "差评" for n in LABELS])):
        lines = [f"{label}{blank}{post}\n" for label, post in zip(labels, POSTS, strict=True)]
        check(write(path, "".join(lines)), "TXT, UTF-8, a label and a post per line, 6 rows", labels=labels)
    write(path, "".join([*lines * 20, "没有标签\n"]))
    check(path, "120 rows, 1 skipped", posts=POSTS * 20, labels=labels * 20)
    assert find_bad_rows(path)[0].reason == "the line does not begin with a label"
    check(write(path, "".join(f"0 {post}\n" for post in POSTS * 5)), "a label", posts=POSTS * 5, labels=["0"] * 30)
    for lines in (
        [f"{n}. {post}" for n, post in enumerate(POSTS)],
        [f"{post} 真的" for post in POSTS],
        ["转发 微博", *POSTS],
        [f"我 {post}" for post in POSTS],
    ):
        check(write(path, "\n".join(lines)), "a post per line", posts=lines, labels=None)


def test_table_of_markdown_is_read(tmp_path: Path) -> None:
    rows = [f"| {label} | {post} |" for label, post in zip(LABELS, POSTS, strict=True)]
    for name in ("f.md", "f.txt", "f.csv"):
        text = "\n".join(["| label | review |", "|:--|-----:|", *rows])
        check(write(tmp_path / name, text), "labels in label, 6 rows", posts=[f" {post} " for post in POSTS])
