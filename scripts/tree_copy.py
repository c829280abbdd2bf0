"""A scratch copy of the tree, to be broken on purpose; of `planted` and `mutants`."""
import filecmp
import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def refresh(tree):
    """Makes the copy the same as the tree; what is the same keeps its time."""
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT,
                            check=True, stdout=subprocess.PIPE, text=True).stdout
    wanted = {p for p in listed.split("\0") if p and os.path.isfile(os.path.join(ROOT, p))}
    for place, _, files in os.walk(tree):
        for name in files:
            path = os.path.relpath(os.path.join(place, name), tree)
            if path not in wanted:
                os.unlink(os.path.join(tree, path))
    for path in sorted(wanted):
        source, copy = os.path.join(ROOT, path), os.path.join(tree, path)
        if not (os.path.exists(copy) and filecmp.cmp(source, copy, shallow=False)):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copyfile(source, copy)
            shutil.copymode(source, copy)
