"""What the last release promised, against what this tree says: which release that is, its tables of
layouts and symbols, and what its headers declare."""
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


def number(version):
    return [int(part) for part in version.split(".")]


def kept(root):
    """Versions whose tables lie in abi/released, the newest last."""
    place = os.path.join(root, "abi", "released")
    return sorted(os.listdir(place), key=number) if os.path.isdir(place) else []


def headings(root):
    """Of CHANGELOG.md, the newest first: "Unreleased" or a version."""
    return re.findall(r"^## (\S+)", read(root, "CHANGELOG.md"), re.M)


def is_release(root, version):
    """Whether this tree is that release, made or being made: nothing is above it in CHANGELOG.md, and
    nothing came after its tag."""
    if headings(root)[:1] != [version]:
        return False
    tag = commit_of(root, version)
    return tag is None or (tag == git(root, "rev-parse", "HEAD") and git(
        root, "status", "--porcelain", "--untracked-files=no") == "")


def tagged(root, version):
    """The commit that the tag of a release names, or None where there is no such tag."""
    return git(root, "rev-parse", "--verify", f"v{version}^{{commit}}")


def noted(root, version):
    """The commit that abi/released says is the release, or None where it does not."""
    path = os.path.join(root, "abi", "released", version, "commit")
    return read(path).strip() if os.path.exists(path) else None


def commit_of(root, version):
    """The commit of a release: by its tag; in a clone without, by the note of it. None where neither leads
    to one that is here."""
    note = noted(root, version)
    return tagged(root, version) or (
        note and git(root, "rev-parse", "--verify", f"{note}^{{commit}}"))


def notes_broken(root, version):
    """Why the note of a release's commit is not to be believed."""
    tag, note = tagged(root, version), noted(root, version)
    if None not in (tag, note) and tag != note:
        yield f"abi/released/{version}/commit says {note}, and the tag v{version} {tag}"


def last_release(root):
    """The version to compare with, or None where this tree is, or comes before, the first release."""
    named = [name for name in headings(root) if re.fullmatch(r"\d+\.\d+\.\d+", name)]
    versions = kept(root)
    for name in named:
        if name not in versions:
            raise Missing(f"CHANGELOG.md names release {name}, and abi/released has no tables of it: "
                          "scripts/abi-accept --release, in the commit that makes it")
    for version in versions:
        if version not in named:
            raise Missing(f"abi/released has tables of {version}, which CHANGELOG.md does not name")
    if versions and is_release(root, versions[-1]):
        versions.pop()
    return versions[-1] if versions else None


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


def unnamed(function):
    """The parameters of a function without their names, which promise nothing."""
    for parameter in function.args.params if function.args else []:
        held = parameter
        while isinstance(getattr(held, "type", None), (c_ast.TypeDecl, c_ast.PtrDecl, c_ast.ArrayDecl)):
            held = held.type
        if isinstance(held, c_ast.TypeDecl):
            held.declname = None
        parameter.name = None


def declarations(root):
    """{"STRUCT.MEMBER" or "FUNCTION": how the headers declare it}"""
    out, write = {}, c_generator.CGenerator()
    for d in tree.parsed(sorted(tree.CORE + tree.ADAPTERS), root).ext:
        if isinstance(d.type, c_ast.FuncDecl):
            unnamed(d.type)
            out[d.name] = write.visit(d)
        inner = d.type.type if isinstance(d, c_ast.Typedef) and isinstance(
            d.type, c_ast.TypeDecl) else None
        for member in (inner.decls or []) if isinstance(inner, c_ast.Struct) else []:
            out[f"{d.name}.{member.name}"] = write.visit(member)
    return out


def types(root):
    """The names of all types that the headers declare."""
    return {name for d in tree.parsed(sorted(tree.CORE + tree.ADAPTERS), root).ext
            for name in (d.name, getattr(getattr(d.type, "type", None), "name", None)) if name}


def written(declared):
    """Declarations as a table: a row each."""
    return "".join(f"{name}: {text}\n" for name, text in sorted(declared.items()))


def read_declarations(table):
    return dict(row.split(": ", 1) for row in table.splitlines())


def declaration_breaks(old, new):
    for name, declared in old.items():
        if new.get(name, declared) != declared:
            yield f"{name}: '{declared}' in the release, '{new[name]}' today"
