"""What the last release promised, against what this tree says: which release that is, its tables of
layouts and symbols, the declared types of its members."""
import os
import re
import subprocess

import tree
from pycparser import c_ast, c_generator

NODES_WITHOUT_PROMISE = ("WSRT_EXPERIMENTAL",)


class Missing(Exception):
    """There was a release, and it cannot be compared with."""


def git(root, *command):
    done = subprocess.run(["git", "-C", root, *command], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
    return done.stdout.strip() if done.returncode == 0 else None


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as text:
        return text.read()


def older_releases(root):
    """Those that CHANGELOG.md names before the version being made."""
    version = re.search(r"version: '([\d.]+)'", read(root, "meson.build")).group(1)
    named = re.findall(r"^## (\d+\.\d+\.\d+)", read(root, "CHANGELOG.md"), re.M)
    return [name for name in named if name != version]


def last_release(root):
    """The tag to compare with, or None where this tree is, or comes before, the first release."""
    tag = git(root, "describe", "--tags", "--abbrev=0", "--match=v[0-9]*")
    unchanged = git(root, "status", "--porcelain", "--untracked-files=no") == ""
    if tag and unchanged and git(root, "rev-parse", tag + "^{commit}") == git(root, "rev-parse", "HEAD"):
        tag = git(root, "describe", "--tags", "--abbrev=0", "--match=v[0-9]*", "HEAD^")
    older = older_releases(root)
    if tag is None and older:
        raise Missing(f"CHANGELOG.md names release {older[0]}, and no tag of it is here: "
                      "git fetch --tags --unshallow")
    return tag


def parse(table):
    """{"struct NAME" or "enum NAME": (size, {member or enumerator: the rest of its row})}"""
    out = {}
    for line in table.splitlines():
        head = re.fullmatch(r"((?:struct|enum) \w+) size (\d+)", line)
        if head:
            members = {}
            out[head.group(1)] = (int(head.group(2)), members)
        else:
            name, rest = line.split(None, 1)
            members[name] = rest
    return out


def appended(old, new):
    """Members that today's table has and the release's has not, in structs of both: {(type, member)}"""
    return {(kind.split()[1], member) for kind, (_, members) in new.items()
            if kind.startswith("struct") and kind in old for member in members.keys() - old[kind][1]}


def growth(name, old, new):
    """Why members may not be appended to this struct as they were."""
    (old_size, before), (new_size, now) = old, new
    if next(iter(now)) != "struct_size":
        yield f"{name} grew, and does not begin with struct_size"
    if new_size <= old_size or (new_size - old_size) % 8:
        yield f"{name} grew from {old_size} to {new_size} bytes: by multiples of 8 only"
    for member in now.keys() - before.keys():
        if int(now[member].split()[1]) < old_size:
            yield f"{name}.{member} stands where the release had its members"


def layout_breaks(old, new, allowed):
    """What of the release's table does not hold. `allowed`: {(struct, member)} reviewed."""
    for kind, (size, members) in old.items():
        name = kind.split()[1]
        if kind not in new:
            yield f"{kind} is gone"
            continue
        new_size, now = new[kind]
        for member, row in members.items():
            if now.get(member) != row:
                yield f"{name}.{member}: {row} in the release, {now.get(member, 'gone')} today"
        more = [m for m in now if m not in members] if kind.startswith("struct") else []
        for member in more:
            if (name, member) not in allowed:
                yield f"{name}.{member} was appended: review it, then name it in abi/appended.txt"
        if more:
            yield from growth(name, old[kind], new[kind])
        elif size != new_size:
            yield f"{name}: {size} bytes in the release, {new_size} today"


def reviewed(root):
    """Rows of abi/appended.txt: [(struct, member)]"""
    rows = re.findall(r"^(\w+)\.(\w+)", read(root, "abi", "appended.txt"), re.M)
    return [tuple(row) for row in rows]


def idle_rows(rows, old, new):
    for row in rows:
        if row not in appended(old, new):
            yield f"abi/appended.txt: {'.'.join(row)} was not appended since the release: drop the row"


def symbol_breaks(old, new):
    for row in sorted(set(old) - set(new)):
        if not row.endswith(NODES_WITHOUT_PROMISE):
            yield f"{row} is gone"


def member_types(root):
    """{(struct, member): its type as declared}"""
    out, write = {}, c_generator.CGenerator()
    for d in tree.parsed(sorted(tree.CORE + tree.ADAPTERS), root).ext:
        inner = d.type.type if isinstance(d, c_ast.Typedef) and isinstance(
            d.type, c_ast.TypeDecl) else None
        for member in (inner.decls or []) if isinstance(inner, c_ast.Struct) else []:
            out[d.name, member.name] = write.visit(member)
    return out


def type_breaks(old, new):
    for member, declared in old.items():
        if new.get(member, declared) != declared:
            yield f"{'.'.join(member)}: '{declared}' in the release, '{new[member]}' today"
