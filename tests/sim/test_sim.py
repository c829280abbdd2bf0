"""The simulator: seeds hold, tell the same story again, and the lies planted in it are found.

WSRT_SIM_SEEDS says how many seeds, else WSRT_SIM_USUAL; WSRT_SIM_HOW more words, as --starve; WSRT_SIM_SPEED how many seconds one second of
CPU is to play at least."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from tap import check, plan  # noqa: E402

SIM = sys.argv[1]
SEEDS = int(os.environ.get("WSRT_SIM_SEEDS") or os.environ.get("WSRT_SIM_USUAL", "2000"))
SPEED = int(os.environ.get("WSRT_SIM_SPEED", "0"))
PLANTS = ["acknowledged", "resurrected", "order", "probes", "burst", "recorded", "memory",
          "arriving"]
FOUND_WITHIN = 100
THINGS = ["connections", "messages", "acknowledged", "calls", "probes", "sessions resumed",
          "power cuts", "restarts", "allocations refused", "faults"]


def sim(*words):
    done = subprocess.run([SIM, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    return done.returncode, done.stdout


def play(seeds, jobs):
    """Plays seeds 1 to `seeds` in as many processes as it has processors."""
    part = -(-seeds // jobs)
    how = os.environ.get("WSRT_SIM_HOW", "").split()
    runs = [subprocess.Popen([SIM, *how, "--seed", f"{first}..{min(first + part - 1, seeds)}"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace")
            for first in range(1, seeds + 1, part)]
    for run in runs:
        text = run.communicate()[0]
        yield run.returncode, text


def total(texts, pattern):
    return sum(float(n) for text in texts for n in re.findall(pattern, text))


def seeds_hold():
    runs = list(play(SEEDS, len(os.sched_getaffinity(0))))
    texts = [text for _, text in runs]
    for text in texts:
        for line in text.splitlines()[-4:]:
            print("#", line)
    played = int(total(texts, r"simulated: (\d+) seeds"))
    print(f"# simulated seeds: {played}")
    starved = total(texts, r"(\d+) allocations refused")
    print(f"# allocation points: {starved:.0f}")
    yield [line for code, text in runs if code != 0 for line in text.splitlines()] or \
        ([] if played == SEEDS else [f"{played} of {SEEDS} seeds"])
    yield [thing for thing in THINGS if total(texts, rf"(\d+) {thing}") == 0]
    ratio = total(texts, r"seeds, (\d+) s") / (total(texts, r"in ([\d.]+) s of CPU") or 0.1)
    yield [] if ratio >= SPEED else [f"{ratio:.0f} times as fast as the clock, {SPEED} wanted"]


def story(seed):
    return re.findall(rf"seed {seed}: \w{{16}}", sim("--seed", str(seed), "--hash")[1])


def found(lie):
    """Within the seeds stated, with words that repeat it."""
    code, text = sim("--seed", f"1..{FOUND_WITHIN}", f"--plant={lie}")
    told = re.search(r"^seed (\d+): (\w+):.*\nrepeat: wsrt-sim (.*)$", text, re.M)
    if code != 1 or told is None:
        return [f"not found within {FOUND_WITHIN} seeds", text]
    again = sim(*told.group(3).replace("--trace", "").split())[1]
    first = told.group(0).split(" (after")[0]
    return [] if told.group(2) == lie and first in again else [text, again]


held, seen, fast = seeds_hold()
check("what must hold holds, whatever the seed brings", held)
check("the seeds bring every kind of trouble", seen)
check("a second of CPU plays a thousand seconds", fast)
check("a seed tells the same story in another process, whatever was played before",
      [] if sorted(story(s)[0] for s in (3, 4, 5)) ==
      sorted(re.findall(r"seed \d+: \w{16}", sim("--seed", "3..5", "--hash")[1]))
      else ["the hashes differ"])
for plant in PLANTS:
    check(f"a lie about {plant} is found within {FOUND_WITHIN} seeds and can be repeated", found(plant))
plan()
