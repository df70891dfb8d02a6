"""Pages that are not files in this folder: the commands' help, the specifications, the notebooks.

Each is made from what it describes, so none of them can fall behind it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

from virtual_flac.cli.commands import SECTIONS, app

ROOT = Path(__file__).parents[1]
LINKS = {"README.md": "index.md", "CHANGELOG.md": "changes.md", "SECURITY.md": "security.md"}
#: Page, the file it is made from, and where links of that file lead to in these pages.
INCLUDED = {
    "format.md": ("virtual_flac/FORMAT.md", {"../codecs/README.md": "codec.md"}),
    "codec.md": ("codecs/README.md", {"..": "index.md", "../virtual_flac/FORMAT.md": "format.md"}),
    "contributing.md": ("CONTRIBUTING.md", LINKS),
    "security.md": ("SECURITY.md", LINKS),
    "changes.md": ("CHANGELOG.md", LINKS),
}


@event_priority(100)  # before the notebooks' plugin looks for them
def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and the notebooks."""
    made = {name: _included(*source) for name, source in INCLUDED.items()}
    made["commands.md"] = _commands()
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        name = path.relative_to(ROOT).as_posix()
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def _included(source: str, links: dict[str, str]) -> str:
    text = (ROOT / source).read_text("utf-8")
    for link, page in links.items():
        text = text.replace(f"]({link})", f"]({page})")
    return text


def _commands() -> str:
    context = click.Context(app, info_name="virtual-flac", **app.context_settings)
    parts = [
        "# Commands",
        "`virtual-flac COMMAND --help` shows the same in the terminal. Paths and URLs work alike.",
    ]
    rows, details = [], []
    for section, names in SECTIONS.items():
        rows.append(f"| **{section}** | |")
        for name in names:
            command: Any = app.get_command(context, name)
            summary = _markdown(command.help.partition("\n\n")[0])
            rows.append(f"| [`{name}`](#{name}) | {summary} |")
            details += _command(command, click.Context(command, parent=context, info_name=name))
    parts.append("\n".join(["| command | what it does |", "| --- | --- |", *rows]))
    return "\n\n".join(parts + details) + "\n"


def _command(command: Any, context: click.Context) -> list[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    examples = "\n".join(f"virtual-flac {example}" for example in command.examples)
    parts = [
        f"## {command.name}",
        f"```text\n{context.command_path} {usage}\n```",
        *map(_markdown, command.help.split("\n\n")),
        f"```sh\n{examples}\n```",
    ]
    sections: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            name, text = parameter.get_help_record(context) or ("", "")
            row = f"| `{name}` | {_markdown(text)} |"
            sections.setdefault(getattr(parameter, "section", "Options"), []).append(row)
    for section, rows in sections.items():
        parts.append("\n".join([f"| {section} | |", "| --- | --- |", *rows]))
    return parts


def _markdown(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|")
