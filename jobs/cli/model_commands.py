"""`textmill models`."""

from typing import Annotated

import typer
from rich.console import Console

from jobs.terminal import own_terminal, plain_table
from pipeline.models import catalogue, catalogue_entry, pull

models_app = typer.Typer(
    help="The models that Textmill can fetch by itself.", no_args_is_help=True, rich_markup_mode=None
)


@models_app.command("list")
def list_models() -> None:
    """Show the catalogue."""
    rows = [
        [m.name, m.licence, f"{m.weights_bytes / 1e6:.0f} MB", "yes" if m.folder.exists() else "no", m.about]
        for m in catalogue().values()
    ]
    Console(highlight=False).print(plain_table(None, ["name", "licence", "download", "here", "about"], rows))


@models_app.command("pull")
def pull_model(name: Annotated[str, typer.Argument(help="A name from the catalogue.")]) -> None:
    """Fetch and convert a model now, so that the first run need not."""
    with own_terminal() as terminal:
        model = pull(catalogue_entry(name), terminal.say)
    print(model.folder)


@models_app.command("show")
def show_model(name: Annotated[str, typer.Argument(help="A name from the catalogue.")]) -> None:
    """Show what is known of a model, and where its weights come from."""
    entry = catalogue_entry(name)
    rows = [[key, str(value)] for key, value in entry.model_dump(exclude={"fetched"}).items()]
    rows += [["folder", str(entry.folder)], ["here", "yes" if entry.folder.exists() else "no"]]
    rows += [["source", f"{part.requirement} sha256:{part.sha256}"] for part in entry.fetched]
    Console(highlight=False).print(plain_table(None, ["what", "value"], rows))
