#!/usr/bin/env python3
"""The comparison with the last release: which one that is, and what of its tables may change."""
import os
import shutil
import subprocess
import tempfile

import released
import tree
from tap import check, plan

OLD = """enum wsrt_colour size 4
  WSRT_RED 1
  WSRT_GREEN 2
struct wsrt_options size 24
  struct_size at 0 size 4
  flags at 4 size 4
  rate at 8 size 8
  name at 16 size 8
struct wsrt_point size 16
  x at 0 size 8
  y at 8 size 8
"""
MORE = ("  name at 16 size 8\n", "  name at 16 size 8\n  more at 24 size 8\n")
GROWN = (("wsrt_options size 24", "wsrt_options size 32"), MORE)
REVIEWED = [("wsrt_options", "more")]


def table(*changes):
    text = OLD
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return released.parse(text)


def verdict(name, changes, reviewed, wanted):
    found = list(released.layout_breaks(released.parse(OLD), table(*changes), reviewed))
    good = len(found) == 1 and wanted in found[0] if wanted else not found
    check(name, [] if good else [f"wanted {wanted!r}"] + found)


verdict("the same table keeps every promise", [], [], None)
verdict("an enumerator with a new value breaks nothing",
        [("  WSRT_GREEN 2\n", "  WSRT_GREEN 2\n  WSRT_BLUE 3\n")], [], None)
verdict("an enumerator that moved is found", [("GREEN 2", "GREEN 3")], [],
        "wsrt_colour.WSRT_GREEN: 2 in the release, 3 today")
verdict("an enumerator that is gone is found", [("  WSRT_GREEN 2\n", "")], [], "gone today")
verdict("a member that was widened into the padding is found",
        [("flags at 4 size 4", "flags at 4 size 2")], [], "wsrt_options.flags: at 4 size 4")
verdict("a struct that is gone is found", [("struct wsrt_point", "struct wsrt_dot")], [],
        "struct wsrt_point is gone")
verdict("a member that was appended without a review is found", GROWN, [], "was appended: review it")
verdict("a member that was appended and reviewed may stay", GROWN, REVIEWED, None)
moved = list(released.layout_breaks(
    released.parse(OLD),
    table(("wsrt_options size 24", "wsrt_options size 32"),
          ("  name at 16 size 8\n", "  more at 16 size 8\n  name at 24 size 8\n")), REVIEWED))
check("a member that was inserted before others is found, reviewed or not",
      [] if any("wsrt_options.name: at 16" in line for line in moved)
      and any("stands where the release had" in line for line in moved) else moved)
verdict("a struct grows by multiples of eight bytes only",
        [("wsrt_options size 24", "wsrt_options size 28"), MORE], REVIEWED, "by multiples of 8 only")
verdict("a member that hides in the old size is found", [MORE], REVIEWED, "multiples of 8 only")
verdict("a struct without struct_size never grows",
        [("wsrt_point size 16", "wsrt_point size 24"),
         ("  y at 8 size 8\n", "  y at 8 size 8\n  z at 16 size 8\n")], [("wsrt_point", "z")],
        "does not begin with struct_size")


def idle(changes, wanted):
    found = list(released.idle_rows(REVIEWED, released.parse(OLD), table(*changes)))
    return [] if bool(found) == wanted else found or ["none found"]


check("a row for what was not appended is to be dropped", idle([], True))
check("a row for what was appended is not", idle(GROWN, False))
check("a symbol that left, or moved to another node, is found",
      [] if list(released.symbol_breaks(["wsrt_a@WSRT_0.1", "wsrt_b@WSRT_0.1"],
                                        ["wsrt_a@WSRT_0.2", "wsrt_b@WSRT_0.1", "wsrt_c@WSRT_0.2"]))
      == ["wsrt_a@WSRT_0.1 is gone"] else ["not found"])
check("an experimental symbol may leave",
      released.symbol_breaks(["wsrt_a@WSRT_EXPERIMENTAL"], []))
check("a member of another type and the same size is found",
      [] if list(released.declaration_breaks({"s.m": "int64_t m"}, {"s.m": "uint64_t m"}))
      else ["not found"])
check("a name that is gone is left to the symbols and layouts",
      list(released.declaration_breaks({"s.m": "int64_t m"}, {})))


def declared(*changes):
    """What the headers of this tree declare once some text of mock.h is another."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(os.path.join(tree.ROOT, "include"), os.path.join(copy, "include"))
        shutil.copytree(os.path.join(tree.ROOT, "tools", "ffi"), os.path.join(copy, "tools", "ffi"))
        path = os.path.join(copy, "include", "wsrt", "mock.h")
        text = released.read(path)
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return released.declarations(copy)


advance = "wsrt_mock_advance(wsrt_mock *m, int64_t ns)"
today = released.declarations(tree.ROOT)
check("a table of declarations reads back",
      [] if released.read_declarations(released.written(today)) == today and len(today) > 500
      else [str(len(today))])
check("a narrower parameter is found",
      [] if [w for w in released.declaration_breaks(today, declared(
          (advance, advance.replace("64", "32")))) if w.startswith("wsrt_mock_advance: ")]
      else ["not found"])
check("a parameter may get another name",
      list(released.declaration_breaks(today, declared((advance, advance.replace("ns", "by"))))))


class Repository:
    """A repository with a changelog, a version, the tables of releases, and nothing else."""

    def __init__(self, folder):
        self.folder = folder
        self.git("init", "-q")
        self.commit("## Unreleased\n")

    def git(self, *command):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", self.folder,
                        *command], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null"))

    def write(self, changes):
        with open(os.path.join(self.folder, "CHANGELOG.md"), "w", encoding="utf-8") as out:
            out.write(changes)

    def keep(self, version):
        place = os.path.join(self.folder, "abi", "released", version)
        os.makedirs(place)
        with open(os.path.join(place, "wsrt.symbols"), "w", encoding="utf-8") as out:
            out.write(version)

    def note(self, version, commit):
        with open(os.path.join(self.folder, "abi", "released", version, "commit"), "w",
                  encoding="utf-8") as out:
            out.write(commit + "\n")

    def commit(self, changes):
        self.write(changes)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def last(self):
        try:
            return released.last_release(self.folder)
        except released.Missing as why:
            return f"missing: {why}"


def told(name, got, wanted):
    good = wanted in got if wanted and got else got == wanted
    check(name, [] if good else [f"wanted {wanted!r}, got {got!r}"])


FIRST, LATER = "## 0.9.0 (2026-12-01)\n", "## 0.10.0 (2027-12-01)\n\n## 0.9.0 (2026-12-01)\n"
with tempfile.TemporaryDirectory() as place:
    r = Repository(place)
    told("before the first release there is nothing to compare with", r.last(), None)
    r.commit(FIRST)
    told("a release without its tables fails", r.last(), "missing: CHANGELOG.md names release 0.9.0")
    r.keep("0.9.0")
    told("a release that is being made is not compared with itself", r.last(), None)
    r.commit(FIRST)
    r.git("tag", "v0.9.0")
    told("nor is the first when it has its tag", r.last(), None)
    r.write("## Unreleased\n\n" + FIRST)
    told("a change is compared with the release before it", r.last(), "0.9.0")
    told("whose tag is known by its name", released.commit_of(place, "0.9.0"),
         released.git(place, "rev-parse", "HEAD"))
    r.commit(FIRST + "mended\n")
    told("a commit that forgot the heading is, too", r.last(), "0.9.0")
    r.git("tag", "-d", "v0.9.0")
    r.commit("## Unreleased\n\n" + FIRST)
    told("a clone without tags knows the release by its tables", r.last(), "0.9.0")
    told("and that its commit is missing", released.commit_of(place, "0.9.0"), None)
    made = released.git(place, "rev-parse", "HEAD")
    r.note("0.9.0", made)
    told("unless a note says which it is", released.commit_of(place, "0.9.0"), made)
    told("which nothing speaks against", list(released.notes_broken(place, "0.9.0")), [])
    r.commit("## Unreleased\n\nmended\n" + FIRST)
    r.git("tag", "v0.9.0")
    told("a tag goes before it", released.commit_of(place, "0.9.0"), released.git(place, "rev-parse", "HEAD"))
    told("and one elsewhere fails", "".join(released.notes_broken(place, "0.9.0")), f"commit says {made}")
    r.git("tag", "-d", "v0.9.0")
    r.note("0.9.0", "0" * 40)
    told("a commit that a clone has not is none", released.commit_of(place, "0.9.0"), None)
    r.keep("0.10.0")
    told("tables of what was never released fail", r.last(), "missing: abi/released has tables of 0.10.0")
    r.commit(LATER)
    told("a later release is compared with the one before", r.last(), "0.9.0")
    r.commit("## Unreleased\n\n" + LATER)
    told("and what comes after it with the newest", r.last(), "0.10.0")
plan()
