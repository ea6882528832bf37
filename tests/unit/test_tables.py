"""Tables of one's own: what is read, and what is said of a file that does not parse, which quotes nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from swarm_chain.errors import DataError
from swarm_chain.tasks import read_table

HEADER = "age,dose,outcome"
ROW = "63,0.5,1"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "patients.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_read_table__columns_named__come_in_that_order(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ROW, "", "29,-1e3,0")
    assert read_table(path).tolist() == [[63.0, 0.5, 1.0], [29.0, -1000.0, 0.0]]
    assert read_table(path, ["outcome", "age"]).tolist() == [[1.0, 63.0], [0.0, 29.0]]


def test_read_table__text_in_a_column_that_is_not_wanted__does_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path, f"name,{HEADER}", f'"Zyxomma, P.",{ROW}')
    assert read_table(path, ["age"]).tolist() == [[63.0]]


@pytest.mark.parametrize(
    ("broken", "columns", "words"),
    [
        ("63,Zyxomma,1", None, "line 17, column 2: no number"),
        ("63,Zyxomma,1", ["age", "dose"], "line 17, column 2 (dose): no number"),
        ("63,nan,1", None, "line 17, column 2: no number"),
        ("63,7319.418", None, "line 17: 2 fields where line 1 names 3 columns"),
        ("63,7_3,1", None, "line 17, column 2: no number"),
        ("63,,1", None, "line 17, column 2: no number"),
        ('63,"7319.418', None, "line 17: unexpected end of data"),
        ('63,"7319.418\n63,0.5,1\n63,0.5,1\n63,0.5,1', None, "line 17: unexpected end of data"),
        ('63,"7319.418\n63,0.5,1\n63,"0.5",1', None, "line 17: ',' expected after '\"'"),
    ],
)
def test_read_table__a_line_is_broken__is_named_and_not_quoted(
    tmp_path: Path, broken: str, columns: Sequence[str] | None, words: str
) -> None:
    path = written(tmp_path, HEADER, *[ROW] * 15, broken)
    with pytest.raises(DataError) as caught:
        read_table(path, columns)
    assert f"{path}, {words}" in str(caught.value)
    assert "Zyxomma" not in str(caught.value)
    assert "7319" not in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("63,0.5,2", "line 17, column 3 (outcome): none of 0, 1"),
        ("63,0.5,0.5", "line 17, column 3 (outcome): none of 0, 1"),
        ("7319,0.5,1", "line 17, column 1 (age): none of 0, 1, …, 119"),
        ("7319.418,0.5,1", "line 17, column 1 (age): none of 0, 1, …, 119"),
    ],
)
def test_read_table__codes_given__refuses_any_other_number(tmp_path: Path, broken: str, words: str) -> None:
    codes = {"age": range(120), "outcome": range(2)}
    path = written(tmp_path, HEADER, *[ROW] * 15, broken)
    with pytest.raises(DataError) as caught:
        read_table(path, ["outcome", "age"], codes=codes)
    assert f"{path}, {words}" in str(caught.value)
    assert "7319" not in str(caught.value)
    assert read_table(written(tmp_path, HEADER, ROW), ["outcome", "age"], codes=codes).tolist() == [[1.0, 63.0]]


@pytest.mark.parametrize("columns", [None, ["age"]])
def test_read_table__no_line_of_names__quotes_no_patient_for_it(tmp_path: Path, columns: Sequence[str] | None) -> None:
    path = written(tmp_path, "Zyxomma,7319.418,1", "29,broken,0")
    with pytest.raises(DataError) as caught:
        read_table(path, columns)
    assert "Zyxomma" not in str(caught.value)
    assert "7319" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "no rows"), (b"age\n", "no rows"), (b"age\n\xff\n", "no text in UTF-8")],
)
def test_read_table__nothing_to_read__raises_data_error(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "empty.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_table(tmp_path / "empty.csv")


def test_read_table__no_file__raises_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data file"):
        read_table(tmp_path / "nowhere.csv")


def test_read_table__byte_order_mark_quotes_and_line_ends_of_windows__are_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "excel.csv").write_bytes(b'\xef\xbb\xbf"age","dose"\r\n"63"," 0.5"\r\n\r\n64,1\r\n')
    assert read_table(tmp_path / "excel.csv", ["dose", "age"]).tolist() == [[0.5, 63.0], [1.0, 64.0]]


def test_read_table__quoted_field_with_a_line_end__lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = written(tmp_path, f"note,{HEADER}", f'"two\nlines",{ROW}', f'"none",{ROW}', "bad,63,x,1")
    with pytest.raises(DataError, match=r"line 5, column 3 \(dose\): no number"):
        read_table(path, ["dose"])


def test_read_table__first_line_is_a_row__is_not_taken_for_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: numbers where the columns' names should be") as caught:
        read_table(written(tmp_path, ROW, ROW))
    assert "63" not in str(caught.value).replace(str(tmp_path), "")


def test_read_table__two_columns_of_a_name__asks_which(tmp_path: Path) -> None:
    path = written(tmp_path, "age,age,dose", "1,2,3")
    assert read_table(path, ["dose"]).tolist() == [[3.0]]
    with pytest.raises(DataError, match="more than one column is called age"):
        read_table(path, ["dose", "age"])
