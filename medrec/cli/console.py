"""What the terminal shows: results on stdout, progress on stderr, errors in one piece."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from typing import Any, NoReturn, ParamSpec

import typer

from medrec.errors import MedrecError, UsageError

P = ParamSpec("P")

_WIDTH_OF_FILES = 120
_ROWS_OF_A_PART = 500


def say(text: str = "") -> None:
    """Write a line of results to stdout."""
    typer.echo(text)


def tell(text: str) -> None:
    """Write a line that isn't a result to stderr."""
    typer.echo(text, err=True)


def fail(message: str, *, code: int = 1) -> NoReturn:
    """End with one message and an exit code."""
    tell("\n".join(printable(line) for line in f"medrec: {message}".split("\n")))
    raise typer.Exit(code)


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Turn every error that medrec raises on purpose into one message and exit code 1, or 2."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UsageError as error:
            fail(str(error), code=2)
        except MedrecError as error:
            fail(str(error))
        except KeyboardInterrupt:
            hint = ": go on with --resume" if "resume" in kwargs else ""
            fail(f"stopped; what is finished is kept{hint}", code=130)
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(0) from None

    return run


@contextmanager
def progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left on stderr; yields a function of done and total counts."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(description, total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update


def show_table(title: str, columns: list[str], rows: Iterable[list[str]]) -> None:
    """Print a table to stdout; every value is text, never markup.

    The first column, which names the row, stays in one line. Into a file or pipe goes a wide table.
    A long one comes in parts, each with the columns' names, as no more than a part is held.
    """
    pending = iter(rows)
    part = list(islice(pending, _ROWS_OF_A_PART))
    _show_part(title, columns, part)
    while part := list(islice(pending, _ROWS_OF_A_PART)):
        _show_part(None, columns, part)


def _show_part(title: str | None, columns: list[str], rows: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(printable(value)) for value in row))
    Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES).print(table)


def printable(value: Any) -> str:  # noqa: ANN401 (anything that has a string form)
    r"""Replace control characters, so that a file name can't steer the terminal.

    >>> printable("a\x1b[31mb")
    'a?[31mb'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))
