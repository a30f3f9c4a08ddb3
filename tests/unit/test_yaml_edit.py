"""Edits of YAML texts: one thing changes, and every other byte stays."""

import json
from textwrap import dedent

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from secret_action.manifest import yaml_tree
from secret_action.manifest.yaml_edit import (
    EditError,
    add_document,
    append,
    dump,
    find_documents,
    remove,
    set_value,
)
from secret_action.manifest.yaml_files import load_documents

KUSTOMIZATION = dedent("""\
    # the base
    resources:
      - a.yaml   # first

      # kept for later
      - "b.yaml" # second
    # patches come last
    patches:
      - path: p.yaml
        target: {kind: Deployment, name: shop}
    """)


def lines(text):
    """A text from its lines, as the tests write them."""
    return dedent(text).lstrip("\n")


# --- set_value ---


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("a: 1 # one\nb: 2\n", ("a",), 3, "a: 3 # one\nb: 2\n"),
        ("a: 'x'\n", ("a",), "it's", "a: 'it''s'\n"),
        ('a: "x"\n', ("a",), "true", 'a: "true"\n'),
        ("a: x\n", ("a",), "true", 'a: "true"\n'),
        ("a: x\n", ("a",), True, "a: true\n"),
        ("a:\nb: 1\n", ("a",), "x", "a: x\nb: 1\n"),
        ("a: # why\nb: 1\n", ("a",), "x", "a: x # why\nb: 1\n"),
        ("a: &n # why\n", ("a",), "x", "a: x # why\n"),
        ("a: {b: 1, c: [x, y]}\n", ("a", "c", 1), "z, w", 'a: {b: 1, c: [x, "z, w"]}\n'),
        ("a: {b: 1}\n", ("a", "c"), {"d": [1]}, "a: {b: 1, c: {d: [1]}}\n"),
        ("a: {}\n", ("a", "c"), 1, "a: {c: 1}\n"),
        ("a:\n    b: 1\n", ("a", "c", "d"), 1, "a:\n    b: 1\n    c:\n        d: 1\n"),
        ("a:\n  - b: 1 # x\n  - c: 2\n", ("a", 0, "d"), 2, "a:\n  - b: 1 # x\n    d: 2\n  - c: 2\n"),
        ("a:\n- b: 1\n", ("c",), [{"d": 1, "e": 2}], "a:\n- b: 1\nc:\n- d: 1\n  e: 2\n"),
        ("a: |\n  text\n  # no comment\n\nb: 1\n", ("a",), "x", "a: x\n\nb: 1\n"),
        ("a: |+\n  text\n\n", ("b",), "x", "a: |+\n  text\n\nb: x\n"),
        ("a: |\n  text\n\n\n# end\n", ("b",), "x", "a: |\n  text\nb: x\n\n\n# end\n"),
        ("a: 1\n# end\n", ("b",), 2, "a: 1\nb: 2\n# end\n"),
        ("a: 1", ("b",), 2, "a: 1\nb: 2"),
        ("a: 1\r\n", ("b",), {"c": [1]}, "a: 1\r\nb:\r\n  c:\r\n    - 1\r\n".replace("    -", "    -")),
        ("\ufeffa: 1\r\n", ("a",), 2, "\ufeffa: 2\r\n"),
        ("a: 1 # x\nb: 2\n", ("a",), {"c": 1}, "a: # x\n  c: 1\nb: 2\n"),
        ("a:\n  # old\n  - 1\n  - 2\nb: 2\n", ("a",), [3], "a:\n  # old\n  - 3\nb: 2\n"),
        ("a: # x\n  # old\n  c: 1\n  d: 2\n# b\nb: 2\n", ("a",), "z", "a: z # x\n  # old\n# b\nb: 2\n"),
        ("a: # x\n  c: 1\nb: 2\n", ("a",), [1, 2], "a: # x\n  - 1\n  - 2\nb: 2\n"),
        ("a:\n- 1\n- b: 1\n  c: 2\n", ("a", 1), "x", "a:\n- 1\n- x\n"),
        ("a:\n- 1\n- b\n", ("a", 0), {"c": 1, "d": 2}, "a:\n- c: 1\n  d: 2\n- b\n"),
        ("- - 1\n  - 2\n- 3\n", (0, 1), {"c": 1, "d": 2}, "- - 1\n  - c: 1\n    d: 2\n- 3\n"),
        ("é😀: 1\nb: ü # ö\n", ("b",), "ß", "é😀: 1\nb: ß # ö\n"),
        ("a: 1\n---\na: 1\n", ("a",), 5, "a: 5\n---\na: 1\n"),
        ("a: 1\n...\n", ("b",), 5, "a: 1\nb: 5\n...\n"),
        ("a: x\n", ("b",), "-----BEGIN\nabc\n-----END\n", "a: x\nb: |\n  -----BEGIN\n  abc\n  -----END\n"),
        ("a: x\n", ("a",), "one\ntwo", 'a: "one\\ntwo"\n'),
        ("a: x\n", ("a",), {}, "a: {}\n"),
        ("a:\n  b: 1\n", ("a",), {}, "a: {}\n"),
    ],
)
def test_one_value_is_set_and_the_rest_stays(before, path, value, after):
    """Comments, quotes, indentation, line ends, byte order mark, other documents."""
    assert set_value(before, 0, path, value) == after


@pytest.mark.parametrize(
    "text", ["yes", "y", "1e3", "0o17", "007", "2024-01-01", "null", "~", "=", "<<", "", " x", "a: b"]
)
def test_a_text_that_yaml_would_read_as_something_else_is_quoted(text):
    """By any of the readers on the way, not PyYAML alone."""
    assert set_value("a: x\n", 0, ("a",), text) == f'a: "{text}"\n'


@pytest.mark.parametrize("text", ["/zerotouch/_ENV_/shop/url", "1h", "ghcr.io/a/b:1.2.3", "rds!db-1", "a b", "x@y"])
def test_a_text_that_needs_no_quotes_gets_none(text):
    """As people write it."""
    assert set_value("a: x\n", 0, ("a",), text) == f"a: {text}\n"


def test_a_later_document_is_changed():
    """The number is that among all documents of the file."""
    text = "a: 1\n---\n# second\na: 1 # here\n---\na: 1\n"
    assert set_value(text, 1, ("a",), 2) == "a: 1\n---\n# second\na: 2 # here\n---\na: 1\n"


# --- append ---


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("a:\n- x # c\n# end\n", ("a",), "z", "a:\n- x # c\n- z\n# end\n"),
        ("a:\n  - x\n\nb: 1\n", ("a",), "z", "a:\n  - x\n  - z\n\nb: 1\n"),
        (
            "a:\n    -   b: 1\n        c: 2",
            ("a",),
            {"b": 2, "d": [1]},
            "a:\n    -   b: 1\n        c: 2\n    - b: 2\n      d:\n          - 1",
        ),
        ("a: [x, y]  # c\n", ("a",), "z", "a: [x, y, z]  # c\n"),
        ("a: []\nb: 1\n", ("a",), {"c": 1, "d": 2}, "a:\n  - c: 1\n    d: 2\nb: 1\n"),
        ("a: # none\nb: 1\n", ("a",), "x", "a: # none\n  - x\nb: 1\n"),
        ("b: 1\n", ("a",), "x", "b: 1\na:\n  - x\n"),
        ("b: 1\n", ("a", "c"), "x", "b: 1\na:\n  c:\n    - x\n"),
        ("b: {}\n", ("b", "c"), "x", "b: {c: [x]}\n"),
        ("a: [\n  x, # one\n  y  # two\n]\n", ("a",), "z", "a: [\n  x, # one\n  y,  # two\n  z\n]\n"),
        ("a: [\n  x,\n  y, # two\n]\n", ("a",), "z", "a: [\n  x,\n  y, # two\n  z,\n]\n"),
        ("a: [x, y,]\n", ("a",), "z", "a: [x, y, z,]\n"),
        (
            "- op: add\n  path: /x\n",
            (),
            {"op": "remove", "path": "/y"},
            "- op: add\n  path: /x\n- op: remove\n  path: /y\n",
        ),
        ("- - a\n  - b\n- c\n", (0,), "d", "- - a\n  - b\n  - d\n- c\n"),
        ("a: &x\n  - b\nc: 1\n", ("a",), "d", "a: &x\n  - b\n  - d\nc: 1\n"),
        ("x: &x 1\na:\n  - b\n  - *x\nc: 1\n", ("a",), "d", "x: &x 1\na:\n  - b\n  - *x\n  - d\nc: 1\n"),
        ("a:\n  - |\n    text\n\n\nc: 1\n", ("a",), "d", "a:\n  - |\n    text\n  - d\n\n\nc: 1\n"),
        ("a:\n  -\n    b: 1\n  -\n", ("a",), "d", "a:\n  -\n    b: 1\n  -\n  - d\n"),
    ],
)
def test_an_item_is_appended_in_the_style_of_its_list(before, path, value, after):
    """Block or flow, with the dashes in their column; a missing list is made."""
    assert append(before, 0, path, value) == after


def test_a_kustomization_gets_a_resource():
    """The comments between stay where they are."""
    assert append(KUSTOMIZATION, 0, ("resources",), "c.yaml") == KUSTOMIZATION.replace(
        "# second\n", "# second\n  - c.yaml\n"
    )


# --- remove ---


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("a: 1\nb: 2 # two\nc: 3\n", ("b",), "a: 1\nc: 3\n"),
        ("a: 1\n# about b\nb: 2\n", ("b",), "a: 1\n# about b\n"),
        ("a: 1\nb: 2", ("b",), "a: 1"),
        ("a: 1\r\nb: 2", ("b",), "a: 1"),
        ("a:\n  - b: 1 # x\n    # y\n    c: 2\n", ("a", 0, "b"), "a:\n  - # y\n    c: 2\n"),
        ("a:\n  - b: 1\n    c: 2\n", ("a", 0, "b"), "a:\n  - c: 2\n"),
        ("a:\n  - b: 1\n    c: 2\n  - d\n", ("a", 0), "a:\n  - d\n"),
        ("a:\n- b\n- c: |\n    x\n\n- d\n", ("a", 1), "a:\n- b\n\n- d\n"),
        ("a:\n  # only\n  - b\nc: 1\n", ("a", 0), "a: []\n  # only\nc: 1\n"),
        ("a:\n  b:\n    c: 1\n", ("a", "b", "c"), "a:\n  b: {}\n"),
        ("a: [x, y, z]\n", ("a", 0), "a: [y, z]\n"),
        ("a: [x, y, z]\n", ("a", 2), "a: [x, y]\n"),
        ("a: [x]\n", ("a", 0), "a: []\n"),
        ("a: {x: 1, y: 2}\n", ("a", "y"), "a: {x: 1}\n"),
        ("- - a\n  - b\n", (0, 0), "- - b\n"),
        ("x: &x 1\na:\n  - b\n  - *x\n  - c\n", ("a", 1), "x: &x 1\na:\n  - b\n  - c\n"),
    ],
)
def test_a_part_goes_with_its_lines(before, path, after):
    """And nothing else; the last one leaves an empty collection."""
    assert remove(before, 0, path) == after


# --- documents ---


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "k: v\n"),
        ("# nothing yet\n", "# nothing yet\nk: v\n"),
        ("a: 1\n", "a: 1\n---\nk: v\n"),
        ("a: 1\r\n", "a: 1\r\n---\r\nk: v\r\n"),
        ("a: 1", "a: 1\n---\nk: v"),
        ("a: 1\n---\n", "a: 1\n---\nk: v\n"),
        ("a: |+\n  x\n\n# end\n", "a: |+\n  x\n\n# end\n---\nk: v\n"),
    ],
)
def test_a_document_is_added_at_the_end(before, after):
    """Or is the first one of a file that has none."""
    assert add_document(before, {"k": "v"}) == after


def test_documents_are_found_by_kind_and_name():
    """With the numbers that the edits take."""
    text = "---\nkind: A\nmetadata: {name: x}\n---\nkind: B\nmetadata: {name: x}\n---\nkind: A\nmetadata:\n  name: x\n"
    assert find_documents(text, "A", "x") == [0, 2]
    assert find_documents(text, "A", "y") == []
    assert find_documents("a: [", "A", "y") == []


def test_we_write_yaml_as_the_examples_do():
    """Block style, key order kept, sequences two columns right of their key."""
    value = {"b": {"x": [{"k": "1", "r": {"key": "/a/_ENV_/b"}}, []]}, "a": "true", "t": "one\n\ntwo\n", "z": None}
    assert dump(value) == lines("""
        b:
          x:
            - k: "1"
              r:
                key: /a/_ENV_/b
            - []
        a: "true"
        t: |
          one

          two
        z: null
    """)


# --- JSON ---


def test_json_stays_json():
    """A manifest in JSON is YAML in flow style, and must be JSON afterwards."""
    text = json.dumps({"resources": ["a.yaml"], "spec": {"data": [{"k": "a"}], "none": []}}, indent=2) + "\n"
    text = append(text, 0, ("resources",), "b.yaml")
    text = append(text, 0, ("spec", "data"), {"k": "b", "r": {"key": "x"}})
    text = append(text, 0, ("spec", "none"), "z")
    text = set_value(text, 0, ("spec", "name"), "n")
    text = set_value(text, 0, ("patches",), [{"path": "p.yaml"}])
    text = set_value(text, 0, ("resources", 0), "c.yaml")
    value = {
        "resources": ["c.yaml", "b.yaml"],
        "spec": {"data": [{"k": "a"}, {"k": "b", "r": {"key": "x"}}], "none": ["z"], "name": "n"},
        "patches": [{"path": "p.yaml"}],
    }
    assert json.loads(text) == value
    assert text.replace('["z"]', '[\n      "z"\n    ]') == json.dumps(value, indent=2) + "\n"


# --- refusals ---


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("a: &x {b: 1}\nc: *x\n", ("c", "b"), "alias"),
        ("a: &x {b: 1}\nc: *x\n", ("a", "b"), "anchor"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", ("c", "b"), "merge key"),
        ("a: 1\na: 2\n", ("a",), "twice"),
        ("a: [", ("a",), "cannot be read as YAML"),
        ("a: &x 1\nb: &x 2\nc: *x\nd: [\n", ("a",), "cannot be read as YAML"),
        ("a: 1\n", ("a", "b"), "holds nothing"),
        ("a: [1]\n", ("a", "b"), "no key"),
        ("a: [1]\n", ("a", 3), "no item"),
        ("? a\n: 1\n", ("b",), "unusual"),
        ("", ("a",), "no document"),
        ("---\n", ("a",), "empty"),
        ("a: 1\n", (), "whole document"),
        ("a: \ud800\n", ("a",), "cannot be read"),
        ("a: " + "[" * 200 + "]" * 200, ("b",), "nested deeper"),
        ("a: !secret x\nb: 1\n", ("b",), "cannot be read"),
    ],
)
def test_what_cannot_be_done_safely_is_refused_with_words(text, path, says):
    """Nothing is guessed."""
    with pytest.raises(EditError, match=says):
        set_value(text, 0, path, 5)


def test_removing_and_appending_where_there_is_nothing_is_refused():
    """Each with what is wrong."""
    with pytest.raises(EditError, match=r"no `a\.b`"):
        remove("a: {c: 1}\n", 0, ("a", "b"))
    with pytest.raises(EditError, match="all that the document holds"):
        remove("a: 1\n", 0, ("a",))
    with pytest.raises(EditError, match="no list"):
        append("a: 1\n", 0, ("a",), 1)
    with pytest.raises(EditError, match="comment"):
        remove("a: [x, # why\n  y]\n", 0, ("a", 0))


def test_a_billion_laughs_is_neither_unfolded_nor_compared_leaf_by_leaf():
    """The check of the result takes as long as the text is, not as long as what its aliases stand for."""
    text = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert set_value(text + "b: 1\n", 0, ("b",), 2) == text + "b: 2\n"


# --- any YAML ---

_KEYS = st.sampled_from(["a", "b", "key", "metadata", "x y", "true", "1", "é", "-x", "a/b.c"])
_SCALARS = st.one_of(
    st.sampled_from(
        ["", "x", "true", "null", "1e3", "# no", "a: b", "'", '"', "é😀", "- x", "{", "tail ", "=", "two\nlines\n"]
    ),
    st.text(
        st.characters(
            codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cn", "Co"], exclude_characters="\ufeff"
        ),
        max_size=8,
    ),
    st.integers(-5, 5),
    st.booleans(),
    st.none(),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_ROOTS = st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=4) | st.lists(_VALUES, min_size=1, max_size=4)


class Writer:
    """Writes a value as YAML as differently as people do."""

    def __init__(self, draw):
        self._draw = draw
        self._step = draw(st.sampled_from([1, 2, 4]))
        self._dash = draw(st.sampled_from([0, 1, 2]))

    def comments(self, indent):
        """Lines that mean nothing, before a part."""
        return self._draw(st.sampled_from([[], [], [], [""], [f"{' ' * indent}# about"], ["# left", ""]]))

    def tail(self):
        """What may stand behind a value."""
        return self._draw(st.sampled_from(["", "", "", "  # why", " "]))

    def write(self, value, indent=0):
        """The lines of a collection in block style."""
        out = []
        pairs = value.items() if isinstance(value, dict) else ((None, item) for item in value)
        for key, item in pairs:
            out += self.comments(indent)
            head = " " * indent + ("-" if key is None else f"{json.dumps(key)}:")
            out += self.part(head, item, indent, key is None)
        return out

    def part(self, head, item, indent, in_list):
        """A value behind its key or dash."""
        if isinstance(item, dict | list) and item and self._draw(st.integers(0, 3)):
            deeper = indent + (self._step if isinstance(item, dict) or in_list else self._dash)
            if in_list:
                deeper = indent + 2
            below = self.write(item, deeper)
            if in_list and below[0].strip() and not below[0].lstrip().startswith("#") and self._draw(st.booleans()):
                return [head + " " + below[0].lstrip(" "), *below[1:]]
            return [head + self.tail(), *below]
        if isinstance(item, str) and item.endswith("lines\n") and self._draw(st.booleans()):
            pad = " " * (indent + 2)
            mark, more = self._draw(st.sampled_from([("|", []), ("|", [""]), ("|+", [])]))
            return [f"{head} {mark}", *(pad + line for line in item.splitlines()), *more]
        if isinstance(item, str) and "'" not in item and "\n" not in item and self._draw(st.booleans()):
            return [f"{head} '{item}'" + self.tail()]
        if item is None and self._draw(st.booleans()):
            return [head + self.tail()]
        return [f"{head} {json.dumps(item, ensure_ascii=False)}" + self.tail()]


@st.composite
def documents(draw):
    """A text of one to three documents, their values, and which of them is meant."""
    values = draw(st.lists(_ROOTS, min_size=1, max_size=3))
    out = []
    for value in values:
        out += (["---"] if out or draw(st.booleans()) else []) + Writer(draw).write(value)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = draw(st.sampled_from(["", "\ufeff"])) + end.join(out) + draw(st.sampled_from([end, "", end + "# end" + end]))
    assume(same(text, values))  # a block scalar at the end of a file without a last line break has none either
    return text, values, draw(st.integers(0, len(values) - 1))


def collections(value, path=()):
    """All collections below a value, with their paths."""
    yield path, value
    for step, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            yield from collections(item, (*path, step))


def same(text, values):
    """The text means these values, to the type."""
    return json.dumps(load_documents(text.removeprefix("\ufeff"))) == json.dumps(values)


def is_insertion(old, new):
    """Nothing of the old text is gone."""
    more = len(new) - len(old)
    return more >= 0 and any(old[:at] + new[at : at + more] + old[at:] == new for at in range(len(old) + 1))


def fits(value, text):
    """A text that ends with a line break can be written at the end of a file only where that has one."""
    return text.endswith("\n") or "lines\\n" not in json.dumps(value)


def copy(value):
    """As deep as it goes."""
    return json.loads(json.dumps(value))


@given(documents(), st.data())
def test_anything_can_be_added_anywhere_without_touching_the_rest(document, data):
    """Random YAML with comments in every style: what is added is there, and all that was there is byte for byte."""
    text, values, at = document
    path, target = data.draw(st.sampled_from(list(collections(values[at]))))
    added = data.draw(_VALUES)
    assume(fits(added, text))
    wanted = copy(values)
    place = wanted[at]
    for step in path:
        place = place[step]
    if isinstance(target, dict):
        place["new"] = added
        new = set_value(text, at, (*path, "new"), added)
    else:
        place.append(added)
        new = append(text, at, path, added)
    assert same(new, wanted)
    if target and not ("[" in text or "{" in text):
        assert is_insertion(text, new)


@given(documents(), st.data())
def test_any_part_can_be_replaced_or_removed_and_its_neighbours_stay(document, data):
    """Every line that is neither the part's nor its key's is in the result, in order."""
    text, values, at = document
    path, target = data.draw(st.sampled_from([(p, t) for p, t in collections(values[at]) if t] or [((), None)]))
    if target is None:
        return
    step = data.draw(st.sampled_from(list(target) if isinstance(target, dict) else range(len(target))))
    wanted = copy(values)
    place = wanted[at]
    for each in path:
        place = place[each]
    removed = data.draw(st.booleans())
    if not removed:
        place[step] = data.draw(_VALUES)
        assume("lines\\n" not in json.dumps(place[step]))  # which a comment behind the old value may forbid
        new = set_value(text, at, (*path, step), place[step])
    elif path or len(target) > 1:
        del place[step]
        new = remove(text, at, (*path, step))
    else:
        return
    assert same(new, wanted)
    before, after = around(text.removeprefix("\ufeff"), at, (*path, step))
    if not removed or len(target) > 1:  # where nothing is left, `[]` comes behind the key above
        assert new.removeprefix("\ufeff").rstrip().startswith(before.rstrip())
    assert new.rstrip().endswith(after.strip())


def around(text, document, path):
    """The text before the line that a part begins on, and behind the line that it ends on."""
    node = yaml_tree.parse(text)[document]
    for step in path:
        at = step if isinstance(step, int) else node.find(step)[0]
        start = node.parts[at].start if isinstance(step, int) else node.keys[at].start
        if isinstance(step, int) and not node.flow:
            start = text.rindex("-", 0, start)
        node = node.parts[at]
    end = text.find("\n", node.end)
    return text[: text.rfind("\n", 0, start) + 1], text[end:] if end >= 0 else ""
