#!/usr/bin/env python3
"""The comparison with the last release: which one that is, and what of its tables may change."""
import os
import subprocess
import tempfile

import released
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
      [] if list(released.type_breaks({("s", "m"): "int64_t m"}, {("s", "m"): "uint64_t m"}))
      else ["not found"])


class Repository:
    """A repository with a changelog and a version, and nothing else."""

    def __init__(self, folder):
        self.folder = folder
        self.git("init", "-q")
        self.commit("0.1.0", "## Unreleased\n")

    def git(self, *command):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", self.folder,
                        *command], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, GIT_CONFIG_GLOBAL="/dev/null"))

    def write(self, version, changes):
        for name, text in (("meson.build", f"    version: '{version}',\n"), ("CHANGELOG.md", changes)):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as out:
                out.write(text)

    def commit(self, version, changes):
        self.write(version, changes)
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


with tempfile.TemporaryDirectory() as place:
    r = Repository(place)
    told("before the first release there is nothing to compare with", r.last(), None)
    r.commit("0.1.0", "## 0.1.0 (2026-12-01)\n")
    told("a release that is being made is not asked for its own tag", r.last(), None)
    r.git("tag", "v0.1.0")
    told("at the first tag there is nothing older", r.last(), None)
    r.write("0.1.0", "## Unreleased\n\n## 0.1.0 (2026-12-01)\n")
    told("a change that is not committed yet is compared with the tag it sits on", r.last(), "v0.1.0")
    r.commit("0.2.0", "## Unreleased\n\n## 0.1.0 (2026-12-01)\n")
    told("a commit after a tag is compared with it", r.last(), "v0.1.0")
    r.git("tag", "v0.2.0")
    told("a later tag is compared with the one before", r.last(), "v0.1.0")
    r.git("tag", "-d", "v0.1.0")
    r.git("tag", "-d", "v0.2.0")
    told("a clone without the tags of older releases fails", r.last(), "missing: CHANGELOG.md names")
plan()
