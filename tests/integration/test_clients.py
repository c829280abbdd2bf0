"""Clients that nobody here wrote, against `wsrt serve`: Node's ws, python3-websockets, Chromium,
and two of AWS's own."""
import http.server
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from toolcase import Serve, cases_of, equal, expect, main

CLIENTS = pathlib.Path(__file__).resolve().parent.parent / "clients"
COUNT = "10000"
CHROMIUM_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                  "--disable-background-networking", "--disable-component-update", "--disable-sync",
                  "--disable-dev-shm-usage"]


def _run(*command, timeout=240):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    equal(done.returncode, 0, f"{command[1]}: {done.stdout}{done.stderr}")
    return done.stdout


def _end_well(server):
    equal(server.end(), 0, "status of serve")


class _Page(http.server.SimpleHTTPRequestHandler):
    results = queue.Queue()

    def do_POST(self):  # pylint: disable=invalid-name
        """The page says how it went."""
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(204)
        self.end_headers()
        _Page.results.put(text)

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


class _Browser:
    """Chromium on a page of ours; the page's origin is `origin`."""

    def __enter__(self):
        handler = lambda *a: _Page(*a, directory=str(CLIENTS))  # noqa: E731
        self.pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.pages.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.pages.server_port}"
        self.profile = tempfile.mkdtemp(prefix="wsrt-chromium-")
        self.process = None
        return self

    def exchange(self, url, count):
        """What the page reports after its messages."""
        query = urllib.parse.urlencode({"url": url, "count": count})
        self.process = subprocess.Popen(
            ["chromium", *CHROMIUM_FLAGS, f"--user-data-dir={self.profile}",
             "--remote-debugging-port=0", f"{self.origin}/exchange.html?{query}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.profile})
        return _Page.results.get(timeout=240)

    def __exit__(self, kind, value, trace):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
        self.pages.shutdown()
        self.pages.server_close()
        shutil.rmtree(self.profile, ignore_errors=True)


def node_ws_exchanges_mixed_messages():
    with Serve("--app", "echo") as server:
        equal(_run("node", str(CLIENTS / "exchange.mjs"), server.url, COUNT), f"{COUNT} messages\n")
        _end_well(server)


def python_websockets_exchanges_mixed_messages():
    with Serve("--app", "echo") as server:
        out = _run("/usr/bin/python3", str(CLIENTS / "exchange.py"), server.url, COUNT)
        equal(out, f"{COUNT} messages\n")
        _end_well(server)


def chromium_exchanges_mixed_messages_from_an_allowed_origin():
    with _Browser() as browser, Serve("--app", "echo", "--allow-origin", browser.origin) as server:
        equal(browser.exchange(server.url, COUNT), f"{COUNT} messages")
        _end_well(server)


def chromium_is_refused_from_a_foreign_origin():
    with _Browser() as browser, Serve("--app", "echo") as server:
        equal(browser.exchange(server.url, COUNT), "closed with 1006 after 0")
        _end_well(server)


def _serve_managed():
    return Serve("--aws", "--no-rate-limit", "--dev-token", "sesame=ali")


def aws_sdk_manages_connections():
    with _serve_managed() as server:
        _run("node", str(CLIENTS / "management.mjs"), server.ready["management"], server.url)
        _end_well(server)


def aws_sdk_is_known_by_its_signature():
    keys = {"WSRT_MANAGEMENT_ACCESS_KEY": "AKIDEXAMPLE", "WSRT_MANAGEMENT_SECRET_KEY": "open sesame"}
    with Serve("--app", "echo", "--management", "sigv4", env=keys) as server:
        _run("node", str(CLIENTS / "signed.mjs"), server.ready["management"])
        _end_well(server)


def botocore_manages_connections():
    with _serve_managed() as server:
        _run("/usr/bin/python3", str(CLIENTS / "management.py"), server.ready["management"],
             server.url)
        _end_well(server)


def two_clients_hear_each_other_through_the_chat():
    with Serve("--app", "chat", "--dev-token", "a=alice", "--dev-token", "b=bob") as server:
        listener = subprocess.Popen(
            ["/usr/bin/python3", str(CLIENTS / "transcript.py"), server.url, "b", "bob", "alice"],
            stdout=subprocess.PIPE, text=True)
        said = []
        for line in listener.stdout:
            said.append(line)
            if line.endswith("waits for a broadcast\n"):
                break
        else:
            expect(False, "".join(said))
        _run("node", str(CLIENTS / "transcript.mjs"), server.url, "a", "alice")
        rest = listener.stdout.read()
        equal(listener.wait(20), 0, "".join(said) + rest)
        _end_well(server)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
