"""What an installation gives to those who never saw the tree, in a folder of its own."""
import os
import shutil
import subprocess

import tree


def install(stage):
    tree.run("meson", "install", "-C", tree.BUILD, "--no-rebuild", "--quiet", "--destdir", stage)
    if not os.path.isdir(os.path.join(stage, "usr", "include")):
        os.rename(os.path.join(stage, "usr", "local"), os.path.join(stage, "local"))
        os.rmdir(os.path.join(stage, "usr"))
        os.rename(os.path.join(stage, "local"), os.path.join(stage, "usr"))
        for place, _, files in os.walk(stage):
            for name in files:
                if name.endswith(".pc"):
                    path = os.path.join(place, name)
                    text = open(path, encoding="utf-8").read().replace("/usr/local", "/usr")
                    open(path, "w", encoding="utf-8").write(text)


def third_parties(stage):
    """A folder beside the staged ones with what ours require of others, and nothing else."""
    place = os.path.join(stage, "third-parties")
    os.makedirs(place, exist_ok=True)
    for name in ("sqlite3", "libcurl"):
        folder = subprocess.run(["pkg-config", "--variable=pcfiledir", name], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.strip()
        if folder:
            shutil.copy(os.path.join(folder, name + ".pc"), place)
    return place


def environment(stage):
    lib = [p for p in (os.path.join(stage, "usr", "lib", a) for a in ("x86_64-linux-gnu", ""))
           if os.path.isdir(os.path.join(p, "pkgconfig"))][0]
    found = os.path.join(lib, "pkgconfig") + ":" + third_parties(stage)
    return dict(os.environ, PKG_CONFIG_LIBDIR=found, PKG_CONFIG_SYSROOT_DIR=stage,
                LD_LIBRARY_PATH=lib)
