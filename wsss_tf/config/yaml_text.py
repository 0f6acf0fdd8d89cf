"""YAML in and out: plain data only, YAML 1.2's words for numbers and truth, no repeated key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

# PyYAML follows YAML 1.1, where 1e-4 is a text, `on` is true and 010 is eight.
_WORDS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    "float": (
        r"[-+]?(?:(?:[0-9][0-9_]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*\.(?:[eE][-+]?[0-9]+)?"
        r"|[0-9][0-9_]*[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # Ten lines of nested aliases can stand for gigabytes, and one for itself.
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                None,
                None,
                f"aliases are not read; write the value of *{event.anchor} again",
                event.start_mark,
            )
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}
    for _name, (_pattern, _first) in _WORDS.items():
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_name}", re.compile(f"(?:{_pattern})$"), _first
        )
_Dumper.add_representer(
    list,
    lambda dumper, items: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", items, flow_style=True
    ),
)


def parse(text: str) -> tuple[Any, list[str]]:
    """Reads one YAML document.

    Returns:
        Its value, and one line for each repeated key: "key.path: reason".

    Raises:
        ValueError: the text is no YAML, or has tags beyond plain data; names line and column.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, []
            return loader.construct_document(node), list(_repeated_keys(node, ()))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ValueError(_syntax_message(error)) from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ValueError(f"is not YAML: {str(error).splitlines()[0]}") from error


def dump(value: Any) -> str:
    """Returns plain data as YAML text that `parse` reads back equal; lists stay on one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _repeated_keys(node: yaml.Node, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated_keys(item, (*path, str(index)))
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            here = (*path, name)
            if name in seen:
                yield (
                    f"{'.'.join(here)}: duplicate key; keep one "
                    f"(Received: lines {seen[name]} and {line})"
                )
            seen.setdefault(name, line)
            yield from _repeated_keys(value, here)


def _syntax_message(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = error.problem or "cannot be read"
    if error.context and problem.startswith("but "):
        problem = f"{error.context} {problem}"
    hint = ". Indent with spaces, not tabs" if "\\t" in problem else ""
    return f"{where}is not YAML: {problem}{hint}"
