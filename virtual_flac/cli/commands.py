"""The table of commands. Each is imported when it is run, so that a command starts fast."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from .. import __version__
from .help_text import debug_option
from .output import fail, fail_with, one_line_warnings

#: Sections of the help text; commands, the most used first, and the modules that define them.
SECTIONS = {
    "Convert": {"convert": "convert", "extract": "extract"},
    "Look": {
        "info": "info",
        "preview": "preview",
        "query": "query",
        "spatial-info": "query",
        "demo": "demo",
    },
    "Check": {"verify": "verify", "compare": "compare"},
    "Publish": {"virtualize": "publishing", "stack": "publishing"},
    "flac-raster's command names": {
        "create-streaming": "convert",
        "extract-streaming": "extract",
        "extract-tile": "extract",
    },
}
_MODULES = {name: module for section in SECTIONS.values() for name, module in section.items()}
_BAD_USE = 2
_INTERRUPTED = 130


class _LazyGroup(click.Group):
    """Imports a command when it is asked for; prints every error as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module = import_module(f".{_MODULES[cmd_name]}", __package__)
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _MODULES))
        for section, names in SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                assert command is not None
                summary = (command.help or "").partition("\n\n")[0]
                rows.append((name.ljust(width), summary))
            with formatter.section(section):
                formatter.write_dl(rows)

    def main(self, *args: Any, **extra: Any) -> Any:
        debugging = [False]
        # Icechunk also prints what it raises, and warns that local repositories want one writer.
        os.environ.setdefault("ICECHUNK_LOG", "off")
        try:
            with one_line_warnings():
                # Not standalone: click would print usage errors in three lines.
                status = super().main(*args, **{**extra, "standalone_mode": False}, obj=debugging)
        except click.UsageError as error:
            text = " ".join(error.format_message().split())
            command = error.ctx.command_path if error.ctx else "virtual-flac"
            fail(f"{text.rstrip('.')}. Try: {command} --help", _BAD_USE)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code)
        except click.Abort:
            fail("interrupted", _INTERRUPTED)
        except Exception as error:  # so that nobody has to read a traceback
            fail_with(error, debug=debugging[0])
        raise SystemExit(status if isinstance(status, int) else 0)


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    params=[debug_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Example: virtual-flac convert dem.tif -o dem.flac. "virtual-flac COMMAND --help" has '
    "more.",
)
@click.version_option(__version__, prog_name="virtual-flac", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Lossless FLAC rasters as virtual Zarr."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
