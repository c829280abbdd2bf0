"""TAP for tests written in Python: call check() for each behaviour, plan() at the end."""
import sys

_results = []


def check(name, problems):
    """One test; `problems` is a list of lines, empty when the behaviour holds."""
    problems = list(problems)
    _results.append(not problems)
    print(f"{'not ok' if problems else 'ok'} {len(_results)} - {name}")
    for line in problems[:40]:
        print(f"# {line}")
    sys.stdout.flush()


def plan():
    print(f"1..{len(_results)}")
    sys.exit(0 if all(_results) else 1)
