"""Pages that are not files in this folder: the commands' help, the specifications, the notebooks.

Each is made from what it describes, so none of them can fall behind it.
"""

from __future__ import annotations

import re
from pathlib import Path

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from virtual_flac.cli import app

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
    made["commands.md"] = _commands(typer.main.get_command(app))
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


def _commands(group: TyperGroup) -> str:
    context = typer.Context(group, info_name="virtual-flac")
    commands = [group.get_command(context, name) for name in group.list_commands(context)]
    parts = [
        "# Commands",
        "`virtual-flac COMMAND --help` shows the same in the terminal. Paths and URLs work alike.",
    ]
    rows = []
    for panel in dict.fromkeys(command.rich_help_panel for command in commands):
        rows.append(f"| **{panel}** | |")
        rows += [
            f"| [`{command.name}`](#{command.name}) | {_first_line(command)} |"
            for command in commands
            if command.rich_help_panel == panel
        ]
    parts.append("\n".join(["| command | what it does |", "| --- | --- |", *rows]))
    for command in commands:
        parts += _command(command, typer.Context(command, context, command.name))
    return "\n\n".join(parts) + "\n"


def _first_line(command: TyperCommand) -> str:
    return _markdown((command.help or "").split("\n\n")[0])


def _command(command: TyperCommand, context: typer.Context) -> list[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## {command.name}", f"```text\n{context.command_path} {usage}\n```"]
    examples = []
    for paragraph in (command.help or "").split("\n\n"):
        example = re.fullmatch(r"\[b\](.*)\[/b\]", paragraph.strip(), re.DOTALL)
        if example:
            examples.append(example[1])
        else:
            parts.append(_markdown(paragraph))
    if examples:
        parts.append("```sh\n" + "\n".join(examples) + "\n```")
    panels: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, TyperArgument | TyperOption) and not parameter.hidden:
            default = "Arguments" if isinstance(parameter, TyperArgument) else "Options"
            panel = parameter.rich_help_panel or default
            panels.setdefault(panel, []).append(_row(parameter, context))
    for panel, rows in panels.items():
        parts.append("\n".join([f"| {panel} | |", "| --- | --- |", *rows]))
    return parts


def _row(parameter: TyperArgument | TyperOption, context: typer.Context) -> str:
    name, text = parameter.get_help_record(context) or ("", "")
    return f"| `{name}` | {_markdown(text)} |"


def _markdown(text: str) -> str:
    parts = re.split(r"\[b\](.*?)\[/b\]", " ".join(text.split()))
    # Every second part stood between the marks.
    return "".join(
        f"`{part}`" if number % 2 else part.replace("<", "&lt;").replace("|", "\\|")
        for number, part in enumerate(parts)
    )
