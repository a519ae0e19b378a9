"""What others wrote does not steer the terminal of whoever reads it."""

import pytest

from hub.cli import output

EVIL = "\x1b]0;title\x07\x1b[2K\rgone \u202e txt \x9b1m"
TAME = "\\x1b]0;title\\x07\\x1b[2K\\x0dgone \\x202e txt \\x9b1m"


def test_signs_that_steer_a_terminal_are_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("name", "message"), [("a", EVIL)])
    output.failure(f"{EVIL}\nand more")
    shown = capsys.readouterr()
    assert TAME in shown.out
    assert shown.err == f"✗ {TAME}\nand more\n"
    assert not {"\x1b", "\r", "\x07", "\x9b", "\u202e"} & set(shown.out + shown.err)


def test_a_row_stays_one_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("name", "message"), [("a", "1/2 ready\nus-1: it broke\n")])
    assert capsys.readouterr().out.splitlines()[1:] == ["a   \t1/2 ready; us-1: it broke\t"]


def test_other_signs_stay(capsys: pytest.CaptureFixture[str]) -> None:
    output.write("Grüße, 世界\tund ✔")
    assert capsys.readouterr().out == "Grüße, 世界\tund ✔\n"
