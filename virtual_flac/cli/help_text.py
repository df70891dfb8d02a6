"""How the help of a command is laid out: options in sections, then examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click


class _Option(click.Option):
    """An option that belongs to a section of the help."""

    def __init__(self, *args: Any, section: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class _Command(click.Command):
    """A command with examples."""

    def __init__(self, *args: Any, examples: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            # Arguments are explained in the text above the options.
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                name = getattr(parameter, "section", "Options")
                sections.setdefault(name, []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in self.examples:
                # Whole: write_text would wrap it.
                formatter.write(f"{'':{formatter.current_indent}}virtual-flac {example}\n")


def command(name: str, *examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a command; examples are what to type behind ``virtual-flac``."""

    def make(function: Callable[..., Any]) -> click.Command:
        made = click.command(name, cls=_Command, examples=examples)(function)
        made.params.append(debug_option())
        return made

    return make


def option(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`click.option`, with a `section`."""
    return click.option(*names, cls=_Option, **settings)


def _set_debugging(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and ctx.obj is not None:
        ctx.obj[0] = True


def debug_option() -> click.Option:
    """``--debug``, of the program and of each command, so that it may stand anywhere.

    The object of the main context is a list: contexts are gone when errors are printed.
    """
    return _Option(
        ["--debug"], is_flag=True, is_eager=True, expose_value=False, callback=_set_debugging,
        help="Print where an error comes from.",
    )  # fmt: skip
