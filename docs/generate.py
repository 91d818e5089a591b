"""Writes the generated parts of the documentation, so that they cannot drift from the code.

Used from blocks in the Markdown files; `make docs` writes them, `make lint` checks them.
"""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import click
import orjson
from pydantic import BaseModel

import citysoc.rules
from citysoc.cli import COMMANDS, root
from citysoc.config import agencies, intel, models, reports, sources, stores
from citysoc.config import classification as names_file
from citysoc.detectors.anomaly.families import FEATURES
from citysoc.detectors.sigma.load import documents, rule_files
from citysoc.ecs import FIELDS
from citysoc.enrich.model import FILE as MODEL
from citysoc.flow import LEVELS
from citysoc.parsers.registry import PARSERS, parser


def commands() -> str:
    """Return the help of every command as Markdown."""
    parts = []
    context = click.Context(root, info_name="citysoc", terminal_width=100, max_content_width=100)
    parts.append(f"```text\n{root.get_help(context)}\n```\n")
    for name in COMMANDS:
        command = root.get_command(context, name)
        if command is None:
            raise AssertionError(f"no command {name}")
        parts += _command(command, context, name, depth=2)
    return "\n".join(parts)


def _command(command: click.Command, parent: click.Context, name: str, depth: int) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=100, max_content_width=100)
    heading = "#" * depth
    parts = [f"{heading} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None and not found.hidden:
                parts += _command(found, context, child, depth + 1)
    return parts


def parsers() -> str:
    """Return the table of parsers."""
    rows = ["| parser | reads |", "|---|---|"]
    rows += [f"| `{name}` | {parser(name).summary} |" for name in PARSERS]
    return "\n".join(rows)


def own_fields() -> str:
    """Return the rows of the fields that are not of ECS."""
    return "\n".join(f"| `{field.name}` | {field.about} |" for field in FIELDS.values() if field.about)


def anomaly_features() -> str:
    """Return the table of the anomaly model's features."""
    rows = ["| feature | family | of | unit | what | formula |", "|---|---|---|---|---|---|"]
    for feature in FEATURES:
        formula = feature.formula.replace("|", "\\|")
        kinds = ", ".join(feature.kinds)
        rows.append(
            f"| `{feature.name}` | {feature.family} | {kinds} | {feature.unit} | {feature.en} | `{formula}` |"
        )
    return "\n".join(rows)


def settings() -> str:
    """Return the tables of the configuration's models."""
    shown: list[type[BaseModel]] = [
        models.Settings,
        models.Service,
        stores.Store,
        stores.Elastic,
        models.Rules,
        models.Alerts,
        models.Webhook,
        names_file.ClassificationFile,
        names_file.NamePattern,
        reports.Reports,
        reports.AvReport,
        reports.DirectoryTarget,
        reports.MailTarget,
        reports.SftpTarget,
        reports.WebhookTarget,
        intel.Intel,
        intel.Feed,
        agencies.Agency,
        agencies.Antivirus,
        agencies.Contact,
        sources.FilesSource,
        sources.SyslogSource,
    ]
    return "\n".join(_model(model) for model in shown)


def _model(model: type[BaseModel]) -> str:
    about = _arguments(model)
    rows = [f"### {model.__name__}\n", _first_line(model) + "\n", "| key | default | what |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        default = (
            "required" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`"
        )
        key = field.alias or name
        rows.append(f"| `{key}` | {default} | {about.get(key, '') or _choices(field.annotation)} |")
    return "\n".join(rows) + "\n"


def _arguments(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say of each key."""
    about: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not (isinstance(base, type) and issubclass(base, BaseModel)):
            continue
        _, _, block = (inspect.getdoc(base) or "").partition("Args:\n")
        name = ""
        for line in block.splitlines():
            if line.startswith("    ") and not line.startswith("     ") and ":" in line:
                name, _, text = line.strip().partition(":")
                about[name] = text.strip()
            elif name and line.strip():
                about[name] += " " + line.strip()
    return {name: text.replace("|", "\\|") for name, text in about.items()}


def _first_line(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").splitlines()[0]


def _choices(annotation: object) -> str:
    found = [str(choice) for choice in get_args(annotation) if isinstance(choice, str)]
    return "one of " + ", ".join(found) if found else ""


def _plain(value: object) -> str:
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None or value in ("", {}) else str(value)


def classification() -> str:
    """Return what was measured of the model of names when it was trained."""
    found = orjson.loads(MODEL.read_bytes())
    parts = [f"Version `{found['version']}`.\n"]
    for name, title in (("threat", "Threat names"), ("signature", "Signatures")):
        head = found["heads"][name]
        parts.append(
            f"### {title}\n\n{found['names'][name]:,} labelled names; believed from probability {head['threshold']}:"
            f" in validation {head['proved']:.1%} of the families told were told right at least, 19 to 1.\n"
        )
        for kept, told in head["measured"].items():
            parts += _measured(_KEPT_OUT[name, kept], told)
    return "\n".join(parts)


_KEPT_OUT = {
    (
        "threat",
        "families",
    ): "Families never seen: a fifth of them, each name and spelling kept out of training, of all choices and of the tables",
    (
        "threat",
        "spellings",
    ): "Names never seen of known families: a fifth of their other spellings (without vowels, cut short, two letters swapped, a word behind)",
    ("signature", "families"): "Signatures never seen: a fifth of those written by hand",
}
_JUDGES = {
    "tables": "tables alone",
    "model": "model alone",
    "model_where_tables_are_silent": "model where the tables are silent",
    "both": "both, as shipped",
}


def _measured(title: str, told: dict[str, Any]) -> list[str]:
    rows = [
        f"#### {title}\n",
        f"{told['kept_out']:,} names.\n",
        "| judge | names that say something | told | of these right | names that say nothing | told all the same |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for judge, about in _JUDGES.items():
        row = told[judge]
        share = f"{row['right'] * 100 / row['told']:.0f} %" if row["told"] else "–"
        part = f"{row['told'] * 100 / row['names']:.0f} %" if row["names"] else "–"
        rows.append(
            f"| {about} | {row['names']} | {row['told']} ({part}) | {row['right']} ({share}) | {row['saying_nothing']} | {row['told_of_nothing']} |"
        )
    said = sorted({code for row in told["confusion"].values() for code in row})
    rows.append(
        "\nConfusion of the model alone: rows are what a name is, columns what was said of it; – is nothing.\n"
    )
    rows.append("| | " + " | ".join(code or "–" for code in said) + " |")
    rows.append("|---|" + "---:|" * len(said))
    for code, row in sorted(told["confusion"].items()):
        cells = " | ".join(str(row.get(other, "")) for other in said)
        rows.append(f"| **{code or '–'}** | {cells} |")
    return [*rows, ""]


_THEMES = {
    "antivirus": "Antivirus",
    "firewall": "Firewall and VPN",
    "ids": "Sensors",
    "dns": "Names (DNS)",
    "proxy": "The web, from inside",
    "web": "Web servers",
    "windows": "Windows",
    "linux": "Linux servers",
    "zeek": "Zeek",
    "correlations": "Correlations",
}


def pack_counts() -> str:
    """Return how many shipped rules each theme has, by level."""
    pack = _pack()
    levels = tuple(reversed(LEVELS))
    rows = ["| theme | rules | " + " | ".join(levels) + " |", "|---|" + "---:|" * (len(levels) + 1)]
    for theme, name in _THEMES.items():
        rows.append(_count_row(name, pack[theme], levels))
    rows.append(_count_row("all", [rule for rules in pack.values() for rule in rules], levels))
    return "\n".join(rows)


def _count_row(name: str, rules: list[dict[str, Any]], levels: tuple[str, ...]) -> str:
    found = Counter(rule["level"] for rule in rules)
    return f"| {name} | {len(rules)} | " + " | ".join(str(found[level] or "") for level in levels) + " |"


def pack() -> str:
    """Return a table of the shipped rules for each theme: titles, level, class, techniques."""
    parts = []
    for theme, rules in _pack().items():
        correlation = theme == "correlations"
        kind = " type |" if correlation else ""
        parts.append(f"## {_THEMES[theme]}\n")
        parts.append(f"| rule | Vietnamese | English |{kind} level | class | ATT&CK |")
        parts.append("|---|---|---|---|---|---|" + ("---|" if correlation else ""))
        parts += [_pack_row(rule, correlation) for rule in sorted(rules, key=lambda rule: rule["name"])]
        parts.append("")
    return "\n".join(parts)


def _pack_row(rule: dict[str, Any], correlation: bool) -> str:
    tags = rule["tags"]
    classes = [tag.partition(".")[2].upper() for tag in tags if tag.startswith("citysoc.")]
    techniques = [tag[len("attack.") :].upper() for tag in tags if tag.startswith("attack.t1")]
    name = rule["name"].partition("_")[2]
    cells = [f"`{name}`", rule["citysoc"]["title_vi"], rule["title"]]
    cells += [_shape(rule)] if correlation else []
    cells += [rule["level"], *classes, ", ".join(techniques)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shape(rule: dict[str, Any]) -> str:
    body = rule["correlation"]
    absence = ", absence" if " not " in str(body.get("condition")) else ""
    cities = ", city" if rule["citysoc"].get("across_agencies") else ""
    return f"{body['type']}{absence}{cities}"


def _pack() -> dict[str, list[dict[str, Any]]]:
    """Return the first document of each shipped rule file, by theme."""
    folder = Path(citysoc.rules.__file__).parent
    found: dict[str, list[dict[str, Any]]] = {theme: [] for theme in _THEMES}
    for file in rule_files([folder]):
        found[file.path.parent.name].append(next(documents(file.content)).value)
    return found
