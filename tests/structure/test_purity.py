#!/usr/bin/env python3
"""The core computes: it calls nothing but memory, strings and mutexes, and holds no state."""
import re

import tree
from tap import check, plan

ALLOWED = set("""
memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strchr strspn strcspn bcmp
__memcpy_chk __memmove_chk __memset_chk __stack_chk_fail
pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock
explicit_bzero __explicit_bzero_chk
_GLOBAL_OFFSET_TABLE_ __popcountdi2
""".split())
OWN = {  # the environment, and libc's allocator behind the default
    "env.c": set("clock_gettime getrandom open open64 close read sysconf __errno_location __read_chk "
                 "__open_2".split()),
    "alloc.c": {"calloc", "realloc", "free"},
    # whoever ends a subscription waits for its callback, unless it is the callback
    "events.c": set("pthread_cond_init pthread_cond_destroy pthread_cond_wait "
                    "pthread_cond_broadcast pthread_self".split()),
    # who posts to a session waits for its turn
    "resume.c": set("pthread_cond_init pthread_cond_destroy pthread_cond_wait "
                    "pthread_cond_broadcast".split()),
    "execute.c": {"_Unwind_Resume", "__gcc_personality_v0"},  # an exception passes through it
}
SANITIZER = re.compile(r"__(asan|ubsan|tsan|lsan|sanitizer)_|__cpu_(model|indicator_init)")


def members():
    """{object: {"U": symbols it needs, "G": globals, "D": writable data}}"""
    out, current = {}, None
    for line in tree.lines("nm", "-f", "sysv", tree.archive("wsrt")):
        head = re.search(r"\[(.+\.o)\]:$", line)
        if head:
            current = out.setdefault(head.group(1), {"U": set(), "G": set(), "D": set()})
            continue
        columns = [c.strip() for c in line.split("|")]
        if len(columns) != 7 or columns[0] == "Name":
            continue
        name, kind, section = columns[0], columns[2], columns[6]
        if kind in "Uw":
            current["U"].add(name)
        elif kind in "dDbBC" and not section.startswith(".data.rel.ro"):
            current["D"].add(name)
        if kind.isupper() and kind != "U":
            current["G"].add(name)
    return out


def file_of(member):
    return re.sub(r"^.*_([a-z0-9]+\.c)\.o$", r"\1", member)


objects = members()
defined = set().union(*(o["G"] for o in objects.values()))

check("the core calls only memory, string and mutex functions", (
    f"{member} needs {symbol}"
    for member, o in objects.items()
    for symbol in sorted(o["U"] - defined - ALLOWED - OWN.get(file_of(member), set()))
    if not SANITIZER.match(symbol)))
check("only the environment file talks to the operating system", (
    f"{member} needs {symbol}"
    for member, o in objects.items() if file_of(member) != "env.c"
    for symbol in sorted(o["U"] & OWN["env.c"])))
check("the core has no writable static data", (
    f"{member} has {symbol}"
    for member, o in objects.items() for symbol in sorted(o["D"])
    if not SANITIZER.match(symbol) and not symbol.startswith((".", "__"))))
check("every global symbol of every archive starts with wsrt_", (
    f"{library}: {symbol}"
    for library in tree.LIBRARIES
    for line in tree.lines("nm", "-g", "--defined-only", "-f", "posix", tree.archive(library))
    if not line.endswith(":")
    for symbol in [line.split()[0] if line.split() else "wsrt_"]
    if not symbol.startswith("wsrt_") and not SANITIZER.match(symbol)
    and not symbol.startswith(("__odr_asan", "DW.ref."))))
check("the core needs libc and nothing else", (
    f"NEEDED {name}"
    for name in re.findall(r"NEEDED.*\[(.*)\]", tree.run("readelf", "-d", tree.shared("wsrt")))
    if name not in ("libc.so.6", "ld-linux-x86-64.so.2", "libasan.so.8", "libubsan.so.1")))
BANNED = r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|alloca|rand|gets)\s*\("
check("no source uses a banned function", (
    f"{path}:{n}: {line.strip()}"
    for path in tree.sources("src", "adapters", "tools", "examples")
    for n, line in enumerate(open(f"{tree.ROOT}/{path}", encoding="utf-8"), 1)
    if re.search(BANNED, line)))
plan()
