"""What a person sees of the tour: headings, a few words, the commands and what they print."""

import shutil
import sys
import textwrap
from enum import StrEnum

_WIDTH = 100
TAB = "\t"


class _Style(StrEnum):
    BOLD = "1"
    DIM = "2"
    GREEN = "32"
    RED = "31"
    CYAN = "36"


class Screen:
    """Writes to standard output, in colours where that is a terminal. `waits` for Enter between the steps."""

    def __init__(self, *, waits: bool) -> None:
        self._waits = waits
        self._colours = sys.stdout.isatty()
        self._width = min(shutil.get_terminal_size().columns, _WIDTH)
        self._is_apart = True

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.set_apart()
        self._print(f"{self._styled(text, _Style.BOLD)}\n")

    def say(self, text: str) -> None:
        """Say something in words."""
        for paragraph in textwrap.dedent(text).strip().split("\n\n"):
            self._print(textwrap.fill(" ".join(paragraph.split()), self._width) + "\n")

    def command(self, text: str) -> None:
        """Show a command that is run now."""
        self.set_apart()
        self._print(self._styled(f"  $ {text}", _Style.CYAN))

    def output(self, line: str) -> None:
        """Show a line that a command printed. Cells of tables are padded already; their tabs would only make them wider."""
        self._print(f"    {line.replace(TAB, '  ')}".rstrip())

    def set_apart(self) -> None:
        """Leave a line free, unless there is one."""
        if not self._is_apart:
            self._print("")

    def note(self, text: str) -> None:
        """Say what goes on."""
        self._print(self._styled(f"  … {text}", _Style.DIM))

    def done(self, text: str) -> None:
        """Say what is as it should be."""
        self._print(self._styled(f"  ✔ {text}", _Style.GREEN))

    def failed(self, text: str) -> None:
        """Say what is not."""
        self._print(self._styled(f"  ✗ {text}", _Style.RED))

    def ask(self, text: str) -> None:
        """Wait for Enter, where somebody is there to press it."""
        if self._waits:
            self.set_apart()
            self._print(self._styled(f"  {text} ", _Style.DIM), end="")
            sys.stdin.readline()
            self._is_apart = True

    def _styled(self, text: str, style: _Style) -> str:
        return f"\033[{style}m{text}\033[0m" if self._colours else text

    def _print(self, text: str, end: str = "\n") -> None:
        print(text, end=end, flush=True)
        self._is_apart = not text or text.endswith("\n")
