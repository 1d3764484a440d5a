"""The end of ``etl demo``: the models, and three figures of the practice."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etl_pipeline.cli.output import say, show
from etl_pipeline.formatting import align

if TYPE_CHECKING:
    from etl_pipeline.cli.shell import ProgressStyle
    from etl_pipeline.config import Settings
    from etl_pipeline.transform.figures import Figure


def show_models(settings: Settings, style: ProgressStyle) -> bool:
    """Build the models and show the figures; False where a model or a test failed."""
    from etl_pipeline.cli.screens.transform import transform_screen
    from etl_pipeline.cli.transform import build_models
    from etl_pipeline.transform.dbt_version import has_dbt, install_dbt
    from etl_pipeline.transform.figures import read_figures

    if not has_dbt():
        say(
            "The models of staging, intermediate and marts are not built: dbt, the program that "
            f"builds them, is not installed\n  fix: {install_dbt()}"
        )
        return True
    say("Building the models: raw → staging → intermediate → marts ...")
    summary = build_models(settings, style)
    show(transform_screen(summary))
    if summary.is_success:
        show(figures_screen(read_figures(settings)))
    return summary.is_success


def figures_screen(figures: Sequence[Figure]) -> str:
    """The figures, each with its query."""
    heads = align([(figure.name, f"{figure.value:,.2f}") for figure in figures], right=(1,))
    return "\n".join(
        f"\n  {head}\n{textwrap.indent(figure.query, '    ')}"
        for head, figure in zip(heads, figures, strict=True)
    )
