"""The YAML files that people sign, read exactly or refused by file and line."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from schemas.errors import ContractError
from schemas.rule_tables import read_signed, signed_text, table_name, why

M = TypeVar("M", bound=BaseModel)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """A YAML file: what it says, and on which line.

    Parameters
    ----------
    name : str
        What the file is called in messages.
    value : object
        Its content in plain Python values.
    node : yaml.Node
        The same with line numbers.
    """

    def __init__(self, name: str, value: object, node: yaml.Node) -> None:
        self.name, self.value, self.node = name, value, node

    def where(self, place: tuple[int | str, ...] = ()) -> str:
        """Return file and line of the deepest part of `place` that the file has."""
        node = self.node
        for part in place:
            inner = _inside(node, part)
            if inner is None:
                break
            node = inner
        return f"{self.name}:{node.start_mark.line + 1}"

    def rows(self, key: str = "") -> list[object]:
        """Return the list that the file is, or the one under its only key.

        Raises
        ------
        ContractError
            If there is no such list.
        """
        found = self.value
        if key:
            found = found.get(key) if isinstance(found, dict) and set(found) == {key} else None
        if not isinstance(found, list) or not found:
            expected = f"`{key}:` and a list below it" if key else "a list"
            raise ContractError("no list of rows", expected=expected, where=f"{self.name}:1")
        return found

    def validated(self, model: type[M], place: tuple[int | str, ...] = ()) -> M:
        """Return the part of the file at `place` as a model, or refuse it by its line."""
        value = self.value
        for part in place:
            value = value[part]  # type: ignore[index]  # the caller has seen that it is there
        try:
            return model.model_validate(value)
        except ValidationError as error:
            at = error.errors()[0]["loc"]
            raise ContractError(
                why(error), where=self.where((*place, *at)), hint="Mend the entry."
            ) from None


def read_document(path: Path) -> Document:
    """Read a signed YAML file; see `parse_document`."""
    return parse_document(read_signed(path), table_name(path))


def parse_document(data: bytes | str, name: str) -> Document:
    """Return the content of a signed YAML file.

    Raises
    ------
    ContractError
        If it is not UTF-8, not YAML, empty, or a key stands twice in one mapping: YAML would
        take the last one and say nothing.
    """
    text = signed_text(data, name)
    loader = _LOADER(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ContractError("an empty file", where=name, hint="Restore the file.")
        _refuse_twice(node, name)
        value = loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        told = getattr(error, "problem", None) or "a value that cannot be"
        raise ContractError(
            f"not YAML: {told}",
            where=f"{name}{line}",
            hint="Mend the line; indent with blanks, and put a text with `: ` or ` #` in quotes.",
        ) from None
    finally:
        loader.dispose()
    return Document(name, value, node)


def _refuse_twice(node: yaml.Node, name: str) -> None:
    todo: list[yaml.Node] = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, yaml.SequenceNode):
            todo += one.value
        if not isinstance(one, yaml.MappingNode):
            continue
        seen: dict[str, int] = {}
        for key, value in one.value:
            line, word = key.start_mark.line + 1, str(key.value)
            if word in seen:
                raise ContractError(
                    f"a key that stands twice, first in line {seen[word]}",
                    where=f"{name}:{line}",
                    hint="Keep one of the two.",
                )
            seen[word] = line
            todo.append(value)


def _inside(node: yaml.Node, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    return None
