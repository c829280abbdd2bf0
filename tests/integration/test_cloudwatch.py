"""`wsrt serve --metrics-cloudwatch`, against a CloudWatch on the loopback that checks signatures."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from test_tool import _complains, _Raw
from toolcase import CLEAN_ENV, WSRT, Serve, cases_of, equal, expect, main, wsrt

OK, CONFIG = 0, 78
AWAY = "/nonexistent"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
ALONE = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": AWAY, "AWS_SHARED_CREDENTIALS_FILE": AWAY}
for _name in [name for name in CLEAN_ENV if name.startswith("AWS_") or name == "ENVIRONMENT"]:
    del CLEAN_ENV[_name]


class _Watch:
    """A CloudWatch that remembers what it is told."""

    def __init__(self):
        self.process = subprocess.Popen([os.environ["WSRT_CLOUDWATCH"]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        port = int(self.process.stdout.readline())
        self.env = {**KEYS, **ALONE, "AWS_REGION": "eu-central-1",
                    "AWS_ENDPOINT_URL_CLOUDWATCH": f"http://127.0.0.1:{port}"}
        self.told = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    def answer(self, status):
        print(status, file=self.process.stdin, flush=True)

    def until(self, count):
        """The first requests, once there are so many."""
        end = time.monotonic() + 30
        while len(self.told) < count:
            expect(time.monotonic() < end, f"{len(self.told)} requests")
            time.sleep(0.01)
        return self.told[:count]

    def metrics(self):
        """What it was told, by name: sums of values, and the dimensions that came."""
        sums, dimensions = {}, set()
        for request in self.told:
            equal((request["signed"], request["target"]), (True, "GraniteServiceVersion20100801.PutMetricData"))
            body = json.loads(request["body"])
            equal(body["Namespace"], "WebSocket/Performance")
            for datum in body["MetricData"]:
                value = datum.get("Value", datum.get("StatisticValues", {}).get("Sum", 0))
                counts = zip(datum.get("Values", []), datum.get("Counts", []))
                value += sum(v * n for v, n in counts)
                sums[datum["MetricName"]] = sums.get(datum["MetricName"], 0) + value
                dimensions |= {(d["Name"], d["Value"]) for d in datum.get("Dimensions", [])}
        return sums, dimensions

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def _serving(watch, *args, **more):
    with Serve("--metrics-cloudwatch", "auto", *args, env={**watch.env, **more}) as server:
        yield server


def _ping(server):
    ping = '{"type":"ping","data":{"action":"now"}}'
    equal(wsrt("connect", "--send", ping, "--expect", "1", server.url).returncode, OK)


def what_a_server_counted_is_told_when_it_ends():
    with _Watch() as watch:
        with _serving(watch) as server:
            _ping(server)
            equal(server.end(), OK)
            equal(server.rest, "", "more on stdout")
        watch.until(1)
        sums, dimensions = watch.metrics()
        expect(sums.get("SuccessCount", sums.get("Success", 0)) >= 1, sums)
        expect(("Environment", "dev") in dimensions, dimensions)


def it_is_told_as_often_as_asked_while_the_server_runs():
    with _Watch() as watch, _serving(watch, "--metrics-interval", "1s") as server:
        with _Raw(server.port) as client:
            equal(client.status, 101)
            watch.until(2)
        equal(server.end(), OK)


def the_environment_is_a_dimension():
    for args, more in ((("--environment", "blue"), {"ENVIRONMENT": "green"}), ((), {"ENVIRONMENT": "blue"}),
                       ((), {"WSRT_ENVIRONMENT": "blue"})):
        with _Watch() as watch:
            with _serving(watch, *args, **more) as server:
                _ping(server)
                equal(server.end(), OK)
            watch.until(1)
            expect(("Environment", "blue") in watch.metrics()[1], watch.told)
    _complains(wsrt("serve", env={"ENVIRONMENT": "no spaces"}), CONFIG, "ENVIRONMENT: 'no spaces'")


def a_cloudwatch_that_fails_holds_up_nobody():
    with _Watch() as watch:
        watch.answer(500)
        with _serving(watch, "--metrics-interval", "1s") as server:
            watch.until(2)
            begun = time.monotonic()
            _ping(server)
            expect(time.monotonic() - begun < 10, "a ping waited for CloudWatch")
            equal(server.end(timeout=30), OK)
            expect(any("aws.metrics" in line for line in server.log), server.log)


def no_key_is_ever_logged():
    with _Watch() as watch:
        watch.answer(403)
        with _serving(watch, "--metrics-interval", "1s", "-v") as server:
            watch.until(1)
            equal(server.end(timeout=30), OK)
            expect(KEYS["AWS_SECRET_ACCESS_KEY"] not in "".join(server.log), server.log)


def without_a_region_it_does_not_start():
    here = ("serve", "--listen", "127.0.0.1:0", "--metrics-cloudwatch")
    _complains(wsrt(*here, "auto", env=ALONE), CONFIG, "no region: name it, or set AWS_REGION")
    _complains(wsrt(*here, "not a region"), 2, "is not a region")
    _complains(wsrt(*here, "eu-central-1", env={**ALONE, "AWS_ENDPOINT_URL_CLOUDWATCH": "nowhere"}), CONFIG,
               "is no URL")


def without_the_library_it_says_what_is_missing():
    build = pathlib.Path(WSRT).resolve().parents[2]
    others = ":".join(str(build / place) for place in ("src", "adapters/server", "adapters/jwt", "adapters/sqlite"))
    with tempfile.TemporaryDirectory() as folder:
        alone = shutil.copy(WSRT, folder)
        done = subprocess.run([alone, "serve", "--listen", "127.0.0.1:0", "--metrics-cloudwatch", "eu-central-1"],
                              capture_output=True, text=True, timeout=20, check=False,
                              env={**CLEAN_ENV, "LD_LIBRARY_PATH": others})
        _complains(done, CONFIG, "--metrics-cloudwatch needs libwsrt-aws")


def doctor_looks_for_credentials():
    ask = ("doctor", "--listen", "127.0.0.1:0", "--format", "json", "--metrics-cloudwatch", "eu-central-1")
    for keys, result in ((KEYS, "ok"), ({}, "fail")):
        told = json.loads(wsrt(*ask, env={**ALONE, **keys}).stdout)["checks"]
        (found,) = [f for f in told if f["check"] == "cloudwatch"]
        equal(found["result"], result, found)
        equal(KEYS["AWS_SECRET_ACCESS_KEY"] in json.dumps(told), False)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
