"""What a tenant must not do to the process that reads it, each way by itself; all at once: tests/scenarios."""

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from secret_action.manifest import kustomize
from secret_action.manifest.kustomize import Exhausted, Kustomize, RenderError, find_kustomize, kustomization_file
from secret_action.manifest.reach import refuse_out_of_reach
from secret_action.manifest.renders import Renders
from secret_action.manifest.yaml_files import (
    MAX_PARTS,
    compose_documents,
    expanded_parts,
    leads_outside,
    load_documents,
    parts_of,
    read_regular,
    source_nodes,
)

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
LAUGHS = "a: &a [l, l, l, l, l, l, l, l, l]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def refused(root, kustomization, **files):
    """What is said of an overlay with this kustomization; `files` lie beside it."""
    named = {f"overlay/{name.replace('_', '.')}": content for name, content in files.items()}
    write(root, {"overlay/kustomization.yaml": kustomization, **named})
    with pytest.raises(RenderError) as caught:
        refuse_out_of_reach(root, root / "overlay")
    return str(caught.value)


# --- what a kustomization reaches ---


@pytest.mark.parametrize(
    "field",
    [
        "resources: [{}]",
        "bases: [{}]",
        "components: [{}]",
        "generators: [{}]",
        "patches: [{{path: {}}}]",
        "patches: [&a {{path: {}}}, *a]",
        "ReSources: [{}]",
        "configMapGenerator: [{{name: x, files: [key={}]}}]",
        "secretGenerator: [{{name: x, envs: [{}]}}]",
        "openapi: {{path: {}}}",
        "transformers:\n- |\n  kind: PatchTransformer\n  path: {}",
    ],
)
def test_nothing_outside_of_the_repository_is_reached_whatever_names_it(tmp_path, field):
    """kustomize itself would take any folder of the machine as a base."""
    root = tmp_path / "repository"
    write(tmp_path, {"outside/kustomization.yaml": "", "outside/file.yaml": CONFIG_MAP})
    for name in ("../../outside", str(tmp_path / "outside"), "../../outside/file.yaml"):
        said = refused(root, field.format(name))
        assert said == f"overlay/kustomization.yaml names {name}, which leads outside of the repository, " + (
            "where nothing is read"
        )


def test_nor_through_links(tmp_path):
    """A folder, a file, a kustomization or the overlay itself, one after another."""
    root = tmp_path / "repository"
    write(tmp_path, {"outside/kustomization.yaml": "resources: [file.yaml]", "outside/file.yaml": CONFIG_MAP})
    (root / "overlay").mkdir(parents=True)
    (root / "overlay/folder").symlink_to(tmp_path / "outside")
    (root / "overlay/file.yaml").symlink_to(tmp_path / "outside/file.yaml")
    (root / "overlay/second").symlink_to("folder")
    for name in ("folder", "file.yaml", "second"):
        assert "leads outside" in refused(root, f"resources: [{name}]")
    (root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(RenderError, match="it is a link, which leads outside"):
        refuse_out_of_reach(root, root / "link")
    (root / "overlay/kustomization.yaml").unlink()
    (root / "overlay/kustomization.yaml").symlink_to(tmp_path / "outside/kustomization.yaml")
    assert kustomization_file(root / "overlay") is None, "as kustomize sees it"
    assert leads_outside(root, root / "overlay/file.yaml")
    assert not leads_outside(root, root)


def test_links_within_the_repository_and_odd_names_are_followed(tmp_path):
    """They are what they are for kustomize."""
    root = write(tmp_path, {"base/kustomization.yaml": "resources: [a.yaml]", "base/a.yaml": CONFIG_MAP})
    (root / "link").symlink_to("base")
    write(root, {"overlay/kustomization.yaml": "resources: [../link, ../nowhere, '', 'a\\0b', '/no/such/file']"})
    refuse_out_of_reach(root, root / "overlay")


def test_what_is_neither_file_nor_folder_is_not_opened(tmp_path):
    """kustomize would wait for a pipe's writer, or read a device without end."""
    (tmp_path / "overlay").mkdir()
    os.mkfifo(tmp_path / "overlay/pipe.yaml")
    assert refused(tmp_path, "resources: [pipe.yaml]").endswith("names pipe.yaml, which is neither a file nor a folder")
    (tmp_path / "overlay/loop").symlink_to("loop")
    assert "names loop, which cannot be read: " in refused(tmp_path, "resources: [loop]")
    (tmp_path / "other").mkdir()
    os.mkfifo(tmp_path / "other/kustomization.yml")
    assert refused(tmp_path, "resources: [../other]") == "other has a kustomization.yml that is no file"
    with pytest.raises(OSError, match="no regular file"):
        read_regular(tmp_path / "other/kustomization.yml", 1)
    assert source_nodes(tmp_path / "other/kustomization.yml") == ()


def test_what_is_too_large_is_refused_before_kustomize_reads_it(tmp_path, monkeypatch):
    """With the file that is, and how large one may be."""
    (tmp_path / "overlay").mkdir()
    with open(tmp_path / "overlay/big.yaml", "wb") as file:
        file.truncate(200 * 1000 * 1000)
    assert refused(tmp_path, "resources: [big.yaml]").endswith("names big.yaml, which is larger than 5 MiB")
    assert "larger than 5 MiB" in refused(tmp_path, "configMapGenerator: [{name: x, files: [big.yaml]}]")
    many = "\n".join(f"- {number}.yaml" for number in range(2001))
    write(tmp_path, {f"overlay/{number}.yaml": CONFIG_MAP for number in range(2001)})
    assert "more than 2,000" in refused(tmp_path, f"resources:\n{many}")
    documents = "---\n".join([CONFIG_MAP] * 2001)
    assert "more than 2,000 YAML documents" in refused(tmp_path, "resources: [d.yaml]", d_yaml=documents)
    dense = CONFIG_MAP + f"data: [{'1,' * MAX_PARTS}]"
    assert "more than 150,000 values" in refused(tmp_path, "resources: [d.yaml]", d_yaml=dense)
    monkeypatch.setattr("secret_action.manifest.reach._ALL_BYTES", 1000)
    assert "more than 0 MiB" in refused(tmp_path, "resources: [a.yaml]", a_yaml=b"#" * 2000)


def test_aliases_that_stand_for_billions(tmp_path):
    """kustomize refuses them in a kustomization, and copies them out in a resource."""
    said = refused(tmp_path, "resources: [l.yaml]", l_yaml=LAUGHS)
    assert said.endswith("names l.yaml, whose aliases stand for more than 100,000 values")
    write(tmp_path, {"overlay/l.yaml": "a: &a {b: c}\nd: [*a, *a]\n"})
    refuse_out_of_reach(tmp_path, tmp_path / "overlay")
    inline = "patches:\n- patch: |\n" + "".join(f"    {line}\n" for line in LAUGHS.splitlines())
    assert "has a patch in it, whose aliases stand for" in refused(tmp_path, inline)
    thousands = "".join(LAUGHS.splitlines(keepends=True)[:5])
    names = {f"f{number}.yaml": thousands for number in range(9)}
    write(tmp_path, {f"overlay/{name}": text for name, text in names.items()})
    assert "whose aliases stand for more than" in refused(tmp_path, f"resources: [{', '.join(names)}]")
    refuse_out_of_reach(
        tmp_path, write(tmp_path / "few", {"kustomization.yaml": "resources: [f.yaml]", "f.yaml": thousands})
    )


DEEP = "{a: " * 3000 + "1" + "}" * 3000
DEEP_PATCH = "[{op: add, path: /data, value: " + DEEP + "}]"


@pytest.mark.parametrize(
    ("kustomization", "content", "place"),
    [
        ("resources: [r.yaml]", CONFIG_MAP + f"data: {DEEP}", "overlay/r.yaml:4"),
        ("resources: [r.yaml]", f"{CONFIG_MAP}---\n{CONFIG_MAP}data:\n  {'- ' * 3000}a", "overlay/r.yaml:9"),
        ("resources: [r.yaml]", '{"a":\n\t' * 200 + "1" + "}" * 200, "overlay/r.yaml:101"),
        ("resources: [r.yaml]", (CONFIG_MAP + f"data: {DEEP}").encode("utf-16"), "overlay/r.yaml:4"),
        ("configMapGenerator: [{name: x, files: [r.yaml]}]\nresources: [r.yaml]", f"a: {DEEP}", "overlay/r.yaml:1"),
        ("resources: [r.yaml]\nconfigMapGenerator: [{name: x, files: [r.yaml]}]", f"a: {DEEP}", "overlay/r.yaml:1"),
        ("crds: [r.yaml]", f"a: {DEEP}", "overlay/r.yaml:1"),
        ("patches: [{path: r.yaml}]", DEEP_PATCH, "overlay/r.yaml:1"),
        (f'# In one line\npatches: [{{patch: "{DEEP_PATCH}"}}]', "", "overlay/kustomization.yaml:2"),
        (f"patches:\n- patch: |\n    a: 1\n    b: {DEEP}", "", "overlay/kustomization.yaml:2"),
        (f"patchesStrategicMerge:\n- |\n    a: 1\n    b: {DEEP}", "", "overlay/kustomization.yaml:2"),
        (f"transformers:\n- |\n  kind: PatchTransformer\n  patch: '{DEEP_PATCH}'", "", "overlay/kustomization.yaml:2"),
        ("transformers: [r.yaml]", f"kind: PatchTransformer\npatch: '{DEEP_PATCH}'", "overlay/r.yaml:2"),
    ],
)
def test_a_text_that_is_nested_deeply_is_refused_wherever_it_stands(tmp_path, kustomization, content, place):
    """kustomize takes seconds for it, so it is not started; the place is that of the text."""
    write(tmp_path, {"overlay/kustomization.yaml": kustomization, "overlay/r.yaml": content})
    with pytest.raises(
        RenderError, match="which as YAML is not read here: it is nested deeper than 100 levels"
    ) as caught:
        refuse_out_of_reach(tmp_path, tmp_path / "overlay")
    assert str(caught.value.where) == place


def test_what_might_be_nested_deeply_and_cannot_be_read_is_refused(tmp_path):
    """kustomize reads some YAML that is not read here; what is plainly flat it may judge itself."""
    broken = f"a: [\n---\nb: {DEEP}"
    assert "which as YAML is not read here: did not find" in refused(tmp_path, "resources: [r.yaml]", r_yaml=broken)
    aliased = "a: &a 1\nb: *a\nc: [\n"
    assert "which as YAML is not read here: did not find" in refused(tmp_path, "resources: [r.yaml]", r_yaml=aliased)
    write(tmp_path, {"overlay/r.yaml": "a: ["})
    refuse_out_of_reach(tmp_path, tmp_path / "overlay")


def test_texts_that_kustomize_takes_as_they_are_need_not_be_yaml(tmp_path):
    """Literals, files of a generator and annotations: some other language, with brackets of its own."""
    text = "server {\n" * 200 + "&a *b: ["
    block = "\n".join(f"      {line}" for line in text.splitlines())
    kustomization = (
        f"configMapGenerator:\n- name: x\n  files: [r.yaml]\n  literals:\n  - |\n{block}\n"
        f"commonAnnotations:\n  a: |\n{block}\n"
    )
    write(tmp_path, {"overlay/kustomization.yaml": kustomization, "overlay/r.yaml": text})
    refuse_out_of_reach(tmp_path, tmp_path / "overlay")


def test_a_text_is_looked_through_once(tmp_path, monkeypatch):
    """However many overlays are made of it: that takes a third of a second for one as large as may be."""
    looked = []
    monkeypatch.setattr("secret_action.manifest.reach.refuse_traps", looked.append)
    for overlay in ("a", "b"):
        write(tmp_path, {f"{overlay}/kustomization.yaml": "resources: [../r.yaml]", "r.yaml": "only: here\n"})
        refuse_out_of_reach(tmp_path, tmp_path / overlay)
    assert looked == ["only: here\n"]


def test_settings_of_plug_ins_that_cannot_be_read_are_refused(tmp_path):
    """kustomize reads some YAML that is not read here, and would fetch what it names."""
    unreadable = "kind: ConfigMapGenerator\nx: &a 1\ny: &a 2\nfiles: [http://127.0.0.1/]\n"
    assert "cannot be read as YAML" in refused(tmp_path, "generators: [g.yaml]", g_yaml=unreadable + "\t{")
    inline = "generators:\n- |\n  a: {\n  b: http://127.0.0.1/\n"
    assert "cannot be read as YAML" in refused(tmp_path, inline)


# --- kustomize itself ---


@pytest.fixture
def run(tmp_path):
    """Runs a Python text in kustomize's place, and returns why it does not render."""
    overlay = write(tmp_path / "repository/overlay", {"kustomization.yaml": "{}"})

    def run_(text):
        program = tmp_path / "kustomize"
        program.write_text(f"#!{sys.executable} -S\nimport os, sys\n{text}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        with pytest.raises(RenderError) as caught:
            Kustomize((str(program), "build")).render(overlay)
        return str(caught.value)

    return run_


def test_its_limits_are_told_as_such(run, monkeypatch):
    """Not as a signal's number, and not as the thousand lines that Go leaves."""
    monkeypatch.setattr(kustomize, "_CPU_SECONDS", 1)
    if hasattr(kustomize.resource, "prlimit"):
        assert "1 s of the processor" in run("while True: pass")
    assert "176 MiB of memory" in run(
        "sys.stderr.write('fatal error: runtime: out of memory\\n\\ngoroutine'); sys.exit(2)"
    )
    assert run("sys.stderr.write('panic: oh no\\n\\ngoroutine 1'); sys.exit(2)") == "kustomize itself failed: oh no"
    assert run("os.kill(os.getpid(), 9)").startswith("kustomize was ended")


def test_neither_its_output_nor_its_message_is_of_any_length(run, monkeypatch):
    """All of it would stand in our memory, and in a finding."""
    assert run("while True: sys.stdout.write('x' * 65536)") == "it renders to more than 8 MiB"
    assert len(run("sys.stderr.write('Error: ' + 'x' * 100000); sys.exit(1)")) < 1100
    monkeypatch.setattr(kustomize, "_TIMEOUT_SECONDS", 0.5)
    assert run("import time; time.sleep(30)") == "kustomize did not finish within 0 s"


def test_what_is_large_is_rendered_alone_and_what_was_too_much_not_again(tmp_path, monkeypatch):
    """Else each overlay on one base would take all the time and memory that one of them may take."""
    running, most, tried = [], [0], []

    def render(_, folder, __):
        running.append(folder)
        tried.append(folder.name)
        time.sleep(0.05)
        most[0] = max(most[0], len(running))
        running.remove(folder)
        if folder.name.startswith("huge"):
            raise Exhausted("too much")
        return []

    monkeypatch.setattr(Kustomize, "render", render)
    sizes = {"large0": 21_000, "large1": 21_000, "huge0": 30_000, "huge1": 29_000, "large2": 21_000}
    trees = {
        name: write(tmp_path / name, {"kustomization.yaml": "resources: [a.yaml]", "a.yaml": "- 1\n" * (size // 2)})
        for name, size in sizes.items()
    }
    renders = Renders(tmp_path)
    results = {
        name: started.result() for name, started in [(name, renders.start(tree)) for name, tree in trees.items()]
    }
    renders.close()
    assert most[0] == 1
    assert tried.count("huge0") + tried.count("huge1") == 1
    assert {str(error) for name, error in results.items() if name.startswith("huge")} >= {"too much"}
    assert any("not started" in str(error) for error in results.values())
    assert [results[f"large{number}"] for number in range(3)] == [[], [], []]


def test_it_renders_as_before_within_its_limits(tmp_path):
    """The limits are far from what a tenant needs: here 300 resources."""
    documents = "---\n".join(CONFIG_MAP.replace("x", f"x-{number}") for number in range(300))
    write(tmp_path, {"kustomization.yaml": "resources: [a.yaml]", "a.yaml": documents})
    assert len(Kustomize(find_kustomize()).render(tmp_path)) == 300


# --- YAML ---


def test_few_lines_of_aliases_are_counted_and_not_copied():
    """Also those that lead round in a circle."""
    assert expanded_parts(LAUGHS) > 10**8
    assert expanded_parts("a: &a [*a]") < 10
    assert expanded_parts("a: &a [1, 1]\nb: &a [*a, *a]\nc: *a") == 1 + 3 + 3 + 7 + 7


@pytest.mark.parametrize(
    "text",
    ["a: 1", "[1, 2, {a: b}]", "- - - a", "? a\n: b", "a: |\n  text", "a\n---\nb", "{? a, ? b}", "a:\r  b: c", "''"],
)
def test_what_is_counted_is_at_least_what_is_there(text):
    """It decides what is parsed at all."""
    nodes = compose_documents(text)
    assert nodes
    assert parts_of(text) >= expanded_parts(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 200 + "]" * 200,
        "a: " + "{a: " * 200 + "}" * 200,
        "\n".join(" " * depth + "k:" for depth in range(200)),
        "\r".join(" " * depth + "k:" for depth in range(200)),
        "- " * 200 + "a",
        "? " * 200 + "a",
        "\n".join(f"{' ' * depth}k:\n{' ' * depth}-" for depth in range(60)),
    ],
)
def test_a_deep_text_is_refused_however_it_is_deep(text):
    """Most texts are not parsed to see that, so each way to be deep has to show in another way."""
    assert compose_documents(text) == []


def test_a_text_of_too_many_values_is_refused():
    """Each would take half a kilobyte."""
    with pytest.raises(Exception, match="more than 150,000 values"):
        load_documents("[" + "1," * MAX_PARTS + "]")


def test_a_changed_file_is_read_again(tmp_path):
    """What was composed is kept, but not longer than the file."""
    file = tmp_path / "a.yaml"
    file.write_text("a: 1")
    assert source_nodes(file) is source_nodes(file)
    before = source_nodes(file)
    file.write_text("a: 22")
    assert source_nodes(file) is not before


def test_no_more_is_kept_than_some_megabytes(tmp_path, monkeypatch):
    """However many files there are."""
    monkeypatch.setattr("secret_action.manifest.yaml_files.MAX_PARTS", 100)
    for number in range(20):
        Path(tmp_path, f"{number}.yaml").write_text("a: 1\n" * 10)
    first = source_nodes(tmp_path / "0.yaml")
    for number in range(20):
        source_nodes(tmp_path / f"{number}.yaml")
    assert source_nodes(tmp_path / "0.yaml") is not first
