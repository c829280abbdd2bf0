"""What the black-box tests share: TAP output, and a `wsrt serve` to talk to."""
import json
import os
import subprocess
import sys
import threading
import traceback

WSRT = os.environ.get("WSRT", "wsrt")
CLEAN_ENV = {k: v for k, v in os.environ.items() if not k.startswith("WSRT_")}


class Failed(Exception):
    """An expectation that did not hold."""


def expect(condition, *what):
    if not condition:
        raise Failed(" ".join(str(w) for w in what))


def equal(got, wanted, what=""):
    expect(got == wanted, f"{what}: wanted {wanted!r}, got {got!r}")


def wsrt(*args, stdin="", env=None, timeout=60):
    """Runs the tool to its end."""
    return subprocess.run([WSRT, *args], input=stdin, capture_output=True, text=True,
                          timeout=timeout, env={**CLEAN_ENV, **(env or {})}, check=False)


class Serve:
    """A running `wsrt serve`, on a free port unless told otherwise."""
    command = "serve"

    def __init__(self, *args, env=None, listen="127.0.0.1:0", under=()):
        """`under`: words of a command that runs it, such as strace."""
        given = [] if listen is None else ["--listen", listen]
        self.process = subprocess.Popen([*under, WSRT, self.command, *given, *args],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**CLEAN_ENV, **(env or {})})
        self.log = []
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        line = self.process.stdout.readline()
        if not line:
            self.reader.join(5)
            raise Failed(f"serve ended with {self.process.wait()}: {''.join(self.log)}")
        self.ready = json.loads(line)
        self.url = self.ready["url"]
        self.port = 0 if "unix:" in self.url else int(self.url.rsplit(":", 1)[1].rstrip("/"))

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def end(self, number=15, timeout=60):
        """Signals it, and returns its status and what else it printed."""
        if self.process.poll() is None:
            os.kill(self.ready["pid"], number)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired as late:
            self.process.kill()
            self.process.wait()
            raise Failed(f"serve did not end within {timeout} s") from late
        self.reader.join(5)
        self.rest = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()


def main(cases):
    """Runs functions; their names are sentences. By hand: an argument picks cases by name."""
    cases = [case for case in cases if len(sys.argv) < 2 or sys.argv[1] in case.__name__]
    print(f"1..{len(cases)}")
    failed = 0
    for number, case in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} - {case.__name__}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {case.__name__}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)


def cases_of(module):
    """The functions of a module that are cases: public, defined there, in order."""
    return [f for name, f in vars(module).items()
            if callable(f) and not name.startswith("_") and f.__module__ == module.__name__
            and not isinstance(f, type)]
