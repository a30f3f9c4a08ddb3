"""Changes one thing of a YAML text and leaves every other byte as it is: comments, quotes, indentation, line ends.

Pure functions, text in and text out. Each checks its own work: loaded again, the new text differs from the old one in
exactly the wanted value; where that cannot be had, it raises `EditError`, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from secret_action.manifest import yaml_tree
from secret_action.manifest.yaml_files import compose_documents, get, load_documents
from secret_action.manifest.yaml_files import text as text_of
from secret_action.manifest.yaml_places import EditError, Editor, Path, kind_of, newline_of, shown
from secret_action.manifest.yaml_style import Style, block

__all__ = ["EditError", "add_document", "append", "dump", "find_documents", "remove", "set_value"]

_BOM = "\ufeff"
_NOTHING = object()


def find_documents(text: str, kind: str, name: str) -> list[int]:
    """The documents (as `compose_documents` numbers them) of this kind whose `metadata.name` is this."""
    return [
        index
        for index, node in enumerate(compose_documents(text))
        if text_of(get(node, "kind")) == kind and text_of(get(node, "metadata", "name")) == name
    ]


def set_value(text: str, document: int, path: Path, value: Any) -> str:
    """Replaces the value at a path, or adds the path's last key behind its siblings, with the mappings on the way.

    A text that stood in quotes keeps them; otherwise only what needs quotes gets them. Raises EditError.
    """
    if not path:
        raise EditError("A whole document cannot be replaced.")

    def change(editor: Editor) -> None:
        parent, rest = editor.walk(path)
        if len(rest) == 1 and (at := editor.index(parent, rest[0])) is not None:
            editor.replace(parent, at, value)
        else:
            editor.add(parent, rest, value)

    return _edited(text, document, change, lambda old: _with(old, path, lambda _: value))


def append(text: str, document: int, path: Path, value: Any) -> str:
    """Adds an item at the end of the sequence at a path, which is made where it is missing. Raises EditError."""

    def change(editor: Editor) -> None:
        parent, rest = editor.walk(path) if path else (editor.root, ())
        node, at = parent, None
        if rest:
            at = editor.index(parent, rest[0]) if len(rest) == 1 else None
            if at is None:
                editor.add(parent, rest, [value])
                return
            node = parent.parts[at]
        if node.is_null or (node.kind == "sequence" and not node.parts and not parent.flow and at is not None):
            if at is None:
                raise EditError("The document is empty.")
            editor.replace(parent, at, [value])
        elif node.kind == "sequence":
            editor.append(node, value)
        else:
            raise EditError(f"`{shown(path)}` is {kind_of(node)} and no list.")

    return _edited(text, document, change, lambda old: _with(old, path, lambda items: [*(items or []), value]))


def remove(text: str, document: int, path: Path) -> str:
    """Removes a mapping's key or a sequence's item with its lines; comments on lines of their own stay.

    The last one leaves an empty mapping or sequence. Raises EditError, also where there is nothing to remove.
    """
    if not path:
        raise EditError("A whole document cannot be removed.")

    def change(editor: Editor) -> None:
        parent, rest = editor.walk(path)
        at = editor.index(parent, rest[0]) if len(rest) == 1 else None
        if at is None:
            raise EditError(f"There is no `{shown(path)}`.")
        if len(parent.parts) > 1 or parent.flow:
            editor.remove(parent, at)
        elif len(path) > 1:
            holder, last = editor.walk(path[:-1])
            place = editor.index(holder, last[0])
            editor.replace(holder, 0 if place is None else place, {} if parent.kind == "mapping" else [])
        else:
            raise EditError("It is all that the document holds.")

    return _edited(text, document, change, lambda old: _with(old, path, lambda _: _NOTHING))


def add_document(text: str, value: Any) -> str:
    """Appends a document behind `---`, or makes the first one of a text that has none. Raises EditError."""
    bare = text.removeprefix(_BOM)
    old = _loaded(bare)
    newline = newline_of(bare)
    added = dump(value).replace("\n", newline)
    roots = yaml_tree.parse(bare)
    separator = ""
    if bare and not bare.endswith("\n"):
        separator, added = newline, added.removesuffix(newline)
    if roots and not (roots[-1].is_null and bare.rstrip().endswith("---")):
        separator += f"---{newline}"
    new = bare + separator + added
    if not _same(_loaded(new), [*old, value]):
        raise EditError("A document cannot be added to this file.")
    return text[: len(text) - len(bare)] + new


def dump(value: Any) -> str:
    """A value as we write YAML: block style, the keys in their order, sequences two columns right of their key."""
    return "\n".join(block(value, Style())) + "\n"


# --- checking ---


def _edited(text: str, document: int, change: Callable[[Editor], None], wanted: Callable[[Any], Any]) -> str:
    bare = text.removeprefix(_BOM)
    old = _loaded(bare)
    nodes = compose_documents(bare)
    if not 0 <= document < len(nodes):
        raise EditError(f"There is no document {document + 1} in it.")
    # Those that are empty are not among the loaded ones.
    filled = [index for index, node in enumerate(nodes) if not node.tag.endswith(":null")]
    if document not in filled or len(filled) != len(old):
        raise EditError("The document is empty.")
    editor = Editor(bare, yaml_tree.parse(bare), document)
    change(editor)
    new = editor.result()
    place = filled.index(document)
    expected = [*old[:place], wanted(old[place]), *old[place + 1 :]]
    try:
        right = _same(_loaded(new), expected)
    except EditError:
        right = False
    if not right:
        raise EditError(
            "The change cannot be made here without touching something else: the place is shared by an anchor or a "
            "merge key, or written in an unusual way. Make it by hand."
        )
    return text[: len(text) - len(bare)] + new


def _loaded(text: str) -> list[Any]:
    try:
        return load_documents(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or "it is no text that YAML can hold"
        mark = getattr(error, "problem_mark", None)
        raise EditError(
            f"It cannot be read as YAML: {problem}" + (f" (line {mark.line + 1})." if mark else ".")
        ) from None


def _with(old: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """A copy of a value with one place changed; what lies off the path is shared, so aliases are not followed."""
    if not path:
        return change(old)
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        copy = list(old)
        item = _with(copy[step], rest, change)
        copy[step : step + 1] = [] if item is _NOTHING else [item]
        return copy
    made = dict(old or {})
    item = _with(made.get(step), rest, change)
    if item is _NOTHING:
        del made[step]
    else:
        made[step] = item
    return made


def _same(one: Any, other: Any) -> bool:
    """Equal, also in type. Each pair of objects is compared once: aliases make small texts into huge trees."""
    seen: set[tuple[int, int]] = set()
    pending = [(one, other)]
    while pending:
        left, right = pending.pop()
        if type(left) is not type(right):
            return False
        if isinstance(left, dict | list):
            if (id(left), id(right)) in seen:
                continue
            seen.add((id(left), id(right)))
            if len(left) != len(right):
                return False
            if isinstance(left, list):
                pending.extend(zip(left, right, strict=True))
            elif any(key not in right for key in left):
                return False
            else:
                pending.extend((value, right[key]) for key, value in left.items())
        elif left != right and not (left != left and right != right):  # .nan
            return False
    return True
