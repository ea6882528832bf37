"""Tasks from a source file: what is loaded, and what is wrong with a file, at its own line."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from swarm_chain.core.unixfs import import_bytes
from swarm_chain.errors import TaskSourceError
from swarm_chain.tasks import Hyperparameters, load_task
from swarm_chain.tasks.sources import MAX_SOURCE, TaskFile, lines_of, run_source, task_in_source

START = "from swarm_chain.tasks import Task\nimport torch\n"
LINE = """
class Line(Task):
    def model(self):
        return torch.nn.Linear(1, 1)

    def loss(self, outputs, targets):
        return (outputs - targets).square().mean()
"""


def write(folder: Path, text: str | bytes, name: str = "line.py") -> TaskFile:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return TaskFile(path=path, class_name=None)


def problem(file: TaskFile) -> TaskSourceError:
    with pytest.raises(TaskSourceError) as caught:
        file.load()
    return caught.value


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [("a.py", "a.py", None), ("a.py:B", "a.py", "B"), ("/x:y/a.py:B", "/x:y/a.py", "B"), ("./a.py", "a.py", None)],
)
def test_parse__a_file__has_its_path_and_class(text: str, path: str, name: str | None) -> None:
    assert TaskFile.parse(text) == TaskFile(path=Path(path), class_name=name)


@pytest.mark.parametrize("text", ["digits", "digits:x", "a.txt:B", "a.pyc"])
def test_parse__anything_else__is_no_file(text: str) -> None:
    assert TaskFile.parse(text) is None


def test_load_task__a_file__has_its_source_and_the_settings_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, START + LINE).path
    task = load_task(f"{path}:Line", Hyperparameters(epochs=9).document())
    assert (task.name, task.hyperparameters.epochs) == ("Line", 9)
    assert task.source == import_bytes((START + LINE).encode()).cid
    assert load_task(str(path)).hyperparameters == Hyperparameters()


def test_load__same_class_by_two_names__is_one_task(tmp_path: Path) -> None:
    assert write(tmp_path, START + LINE + "Alias = Line\n").load().__name__ == "Line"


def test_load__dataclass_and_annotations__work_as_in_any_file(tmp_path: Path) -> None:
    settings = (
        "from dataclasses import dataclass, fields\nfrom swarm_chain.tasks import Hyperparameters\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Settings(Hyperparameters):\n    width: int = 3\n"
        "assert Settings.__annotations__ == {'width': int}\n"
    )
    file = write(tmp_path, START + settings + LINE + "    defaults = Settings(epochs=1)\n")
    assert file.load().defaults.document()["width"] == 3


def test_run_source__same_bytes__is_run_once() -> None:
    source = b"import sys\nMARK = object()\n"
    assert run_source(source, filename="a.py") is run_source(source, filename="b.py")


def test_task_in_source__by_name__is_the_class(tmp_path: Path) -> None:
    found = task_in_source((START + LINE).encode(), "Line", filename="Line.py")
    assert found.source_code == (START + LINE).encode()
    with pytest.raises(TaskSourceError, match=r"Line\.py has 0 tasks named Other"):
        task_in_source((START + LINE).encode(), "Other", filename="Line.py")


# ------------------------------------------------------------------------------------------------------ what goes wrong


def test_load__no_such_file__says_so(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in str(problem(TaskFile(path=tmp_path / "x.py", class_name=None)))
    (tmp_path / "y.py").mkdir()
    assert "cannot be read (Is a directory" in str(problem(TaskFile(path=tmp_path / "y.py", class_name=None)))


def test_load__import_that_fails__names_its_own_line_and_shows_its_traceback(tmp_path: Path) -> None:
    file = write(tmp_path, START + "\nimport not_there_at_all\n" + LINE)
    error = problem(file)
    assert str(error).startswith(f"{file.path}, line 4: ModuleNotFoundError: No module named 'not_there_at_all'")
    assert "import not_there_at_all" in error.details
    assert "run_source" not in error.details


def test_load__error_inside_something_it_calls__names_its_own_line(tmp_path: Path) -> None:
    file = write(tmp_path, "import json\ndef read():\n    return json.loads('{')\n\nread()\n")
    error = problem(file)
    assert f"{file.path}, line 3: JSONDecodeError" in str(error)
    own = [line for line in error.details.splitlines() if "line.py" in line]
    assert own[0].endswith("line 5, in <module>")
    assert "decoder.py" in error.details


def test_load__syntax_error__names_the_line(tmp_path: Path) -> None:
    file = write(tmp_path, START + "class Line(Task)\n    pass\n")
    error = problem(file)
    assert str(error) == f"{file.path}, line 3: SyntaxError: expected ':'; repair the file"
    assert "class Line(Task)" in error.details


def test_load__syntax_error_in_what_it_imports__names_the_line_of_the_import(tmp_path: Path) -> None:
    file = write(tmp_path, "x = 1\neval('1 +')\n")
    assert f"{file.path}, line 2: SyntaxError" in str(problem(file))


@pytest.mark.parametrize("end", ["import sys; sys.exit(3)", "raise SystemExit('enough')", "exit()"])
def test_load__exits_when_imported__does_not_end_this_process(tmp_path: Path, end: str) -> None:
    file = write(tmp_path, f"{START}{end}\n")
    assert f"{file.path}, line 3: SystemExit" in str(problem(file))


def test_load__interrupted__is_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, "raise KeyboardInterrupt\n").load()


def test_load__failed_once__is_run_again(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    file = write(tmp_path, f"{START}import pathlib\nassert pathlib.Path({str(flag)!r}).exists()\n{LINE}")
    assert "AssertionError: no message" in str(problem(file))
    flag.touch()
    assert file.load().name == "Line"


def test_load__no_task_in_it__says_so(tmp_path: Path) -> None:
    file = write(tmp_path, START)
    assert "has no task; its classes derived from Task: none" in str(problem(file))


def test_load__two_tasks__asks_for_one(tmp_path: Path) -> None:
    file = write(tmp_path, START + LINE + LINE.replace("Line", "Other"))
    assert f"more than one task; its classes derived from Task: Line, Other; name one: {file.path}:NAME" in str(
        problem(file)
    )
    assert TaskFile(path=file.path, class_name="Other").load().name == "Other"
    assert "has no task Missing" in str(problem(TaskFile(path=file.path, class_name="Missing")))


def test_load__two_tasks_of_one_name__are_refused_where_others_could_not_tell_them_apart(tmp_path: Path) -> None:
    named = LINE + "    name = 'same'\n"
    file = write(tmp_path, START + named + named.replace("Line", "Other"))
    error = problem(TaskFile(path=file.path, class_name="Other"))
    assert "Other and Line have the same name, same" in str(error)


@pytest.mark.parametrize("name", ["ünï", "", "x" * 257, "a\nb"])
def test_load__name_that_no_document_takes__is_refused(tmp_path: Path, name: str) -> None:
    assert "no printable ASCII" in str(problem(write(tmp_path, START + LINE + f"    name = {name!r}\n")))


def test_load__unfinished_class__names_the_missing_methods(tmp_path: Path) -> None:
    error = problem(write(tmp_path, START + "class Line(Task):\n    pass\n"))
    assert "Line lacks loss, model: write the methods" in str(error)
    with pytest.raises(TaskSourceError, match="not finished: do not join"):
        task_in_source((START + "class Line(Task):\n    pass\n").encode(), "Line", filename="Line.py")


def test_load__huge_file__is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.py"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    error = problem(TaskFile(path=path, class_name=None))
    assert f"more than the {MAX_SOURCE:,} bytes" in str(error)


@pytest.mark.parametrize("source", [b"x = 1\n# caf\xe9\n", b"# coding: latin-1\n# caf\xe9\n"])
def test_load__not_utf_8__names_the_line(tmp_path: Path, source: bytes) -> None:
    file = write(tmp_path, source)
    assert str(problem(file)) == f"{file.path}, line 2: no text in UTF-8: save the file in UTF-8"


def test_run_source__encoding_that_hides_code_in_a_comment__is_not_what_runs() -> None:
    # In UTF-7 the comment ends in the middle of the line.
    source = b"# coding: utf-7\n# harmless +AAo-HIDDEN = 1\n"
    assert not hasattr(run_source(source, filename="a.py"), "HIDDEN")


def test_load__byte_order_mark__is_no_trouble(tmp_path: Path) -> None:
    assert write(tmp_path, b"\xef\xbb\xbf" + (START + LINE).encode()).load().name == "Line"


def test_load__null_bytes__is_one_error(tmp_path: Path) -> None:
    assert "repair the file" in str(problem(write(tmp_path, b"x = 1\n\0\n")))


def test_lines_of__only_what_ends_a_line_for_python__ends_one() -> None:
    text = "a\r\nb\rc\nd\u2028e\x0cf\x85g\n"
    assert lines_of(text) == ["a", "b", "c", "d\u2028e\x0cf\x85g"]


def test_run_source__error_later__the_traceback_shows_lines_of_a_source_that_is_no_file() -> None:
    module = run_source(b"def fail():\n    raise ValueError('own bug')\n", filename="from-a-store.py")
    with pytest.raises(ValueError, match="own bug") as caught:
        module.fail()
    assert "raise ValueError('own bug')" in "".join(traceback.format_exception(caught.value))
