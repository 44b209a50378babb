"""`fieldstone rule`: what a rule is about, why, and what to write instead."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from fieldstone.check.registry import Rule, Tier
from fieldstone.check.rules import rules
from fieldstone.errors import ConfigurationError

app = typer.Typer(add_completion=False)
RUNS = {
    Tier.DEFAULT: "by default",
    Tier.OPT_IN: "when it is selected",
    Tier.PREVIEW: "with --preview, or when it is selected",
}
REPAIRS = {"none": "none", "safe": "safe, with --fix", "unsafe": "to be read, with --unsafe-fixes"}


@app.command()
def rule_command(
    code: Annotated[
        str | None, typer.Argument(help="A code such as FS204; without one, all are listed.")
    ] = None,
) -> None:
    """Explain a rule: why, what is bad, what is good, and when it is fine."""
    if code is None:
        for rule in rules().values():
            typer.echo(f"{rule.code}  {rule.name:34} {rule.tier.value:8} {rule.summary}")
        return
    known = rules().get(code.upper())
    if known is None:
        near = [other for other in rules() if other.startswith(code.upper()[:3])]
        raise ConfigurationError(
            f"There is no rule {code!r}. Those near it are: {', '.join(near) or ', '.join(rules())}."
        )
    typer.echo(page(known))


def page(rule: Rule) -> str:
    """A rule's page, in Markdown."""
    parts = [
        f"# {rule.code} {rule.name}",
        rule.summary,
        f"{rule.severity.value}; runs {RUNS[rule.tier]}; repair: {REPAIRS[rule.repair.value]}",
        rule.why,
        "Bad:",
        textwrap.indent(rule.bad, "    "),
        "Good:",
        textwrap.indent(rule.good, "    "),
    ]
    if rule.fine:
        parts += ["When it is fine:", rule.fine]
    return "\n\n".join(parts)
