"""scripts/package-lambda, as docs/deploying-on-aws.md runs it: what goes in, that it runs from there, and that it is the same twice."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

from toolcase import cases_of, equal, expect, main

BUILD = os.environ["WSRT_BUILD"]
SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "package-lambda"
MAX = 1 << 20


def _package(*args):
    return subprocess.run([sys.executable, SCRIPT, "--build", BUILD, *args], capture_output=True,
                          text=True, check=False)


def _made(folder, *names):
    done = _package("--out", folder, *names)
    equal(done.returncode, 0, done.stderr)
    return done.stdout


def each_zip_has_a_bootstrap_that_may_be_run():
    with tempfile.TemporaryDirectory() as folder:
        _made(folder)
        zips = sorted(pathlib.Path(folder).glob("*.zip"))
        expect({"authorizer-lambda", "echo-lambda"} <= {z.stem for z in zips})
        for path in zips:
            with zipfile.ZipFile(path) as archive:
                first = archive.infolist()[0]
                equal((first.filename, first.external_attr >> 16), ("bootstrap", 0o100755))


def what_is_unpacked_needs_nothing_that_lambda_lacks():
    system = re.compile(r"linux-vdso|ld-linux|lib(c|m|dl|rt|pthread|gcc_s|resolv)\.so")
    with tempfile.TemporaryDirectory() as folder:
        _made(folder, "authorizer-lambda")
        with zipfile.ZipFile(folder + "/authorizer-lambda.zip") as archive:
            archive.extractall(folder)
        os.chmod(folder + "/bootstrap", 0o755)
        ldd = subprocess.run(["ldd", folder + "/bootstrap"], capture_output=True, text=True,
                             check=True, env={**os.environ, "LD_LIBRARY_PATH": folder + "/lib"})
        foreign = [line for line in ldd.stdout.splitlines()
                   if not system.search(line) and folder not in line]
        equal(foreign, [])
        run = subprocess.run([folder + "/bootstrap"], capture_output=True, text=True, check=False,
                             env={"LD_LIBRARY_PATH": folder + "/lib"})
        equal(run.returncode, 78, run.stderr)


def echo_and_authorizer_are_small_and_load_no_http_library():
    for name in ("echo-lambda", "authorizer-lambda"):
        listed = _package("--list", name).stdout
        size, glibc = re.match(rf"{name}: (\d+) bytes, glibc ([\d.]+)\n", listed).groups()
        print(f"# {name}: {size} bytes, glibc {glibc}")
        expect("libcurl" not in listed, listed)
        if os.environ.get("WSRT_SANITIZE", "none") == "none":
            expect(0 < int(size) <= MAX, listed)


def what_asks_aws_brings_an_http_library_along():
    names = [n for n in ("authorizer-url-lambda", "chat-lambda", "connect-lambda",
                         "disconnect-lambda", "stream-processor")
             if os.path.exists(os.path.join(BUILD, "examples", n))]
    for name in names:
        listed = _package("--list", name).stdout
        print("# " + listed.splitlines()[0])
        expect(re.search(r"^ +\d+ lib/libcurl\.so", listed, re.M), listed)


def a_list_makes_no_zip():
    with tempfile.TemporaryDirectory() as folder:
        equal(_package("--list", "--out", folder, "echo-lambda").returncode, 0)
        equal(os.listdir(folder), [])


def the_same_files_make_the_same_zip():
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        _made(one, "echo-lambda")
        _made(two, "echo-lambda")
        first, second = (pathlib.Path(f, "echo-lambda.zip").read_bytes() for f in (one, two))
        expect(first == second, "the zips differ")
        with zipfile.ZipFile(one + "/echo-lambda.zip") as archive:
            equal({i.date_time for i in archive.infolist()}, {(1980, 1, 1, 0, 0, 0)})


def the_folder_of_the_zips_is_made():
    with tempfile.TemporaryDirectory() as folder:
        _made(folder + "/not/there", "echo-lambda")
        expect(os.path.isfile(folder + "/not/there/echo-lambda.zip"))


def a_program_that_is_not_there_is_named():
    done = _package("no-lambda")
    equal(done.returncode, 1)
    expect("no-lambda" in done.stderr, done.stderr)


def a_build_without_functions_is_told():
    with tempfile.TemporaryDirectory() as folder:
        done = _package("--build", folder, "--out", folder)
        equal((done.returncode, done.stderr),
              (1, f"package-lambda: no function is built in {folder}/examples\n"))


def a_folder_that_cannot_be_made_is_told():
    done = _package("--out", "/dev/null/zips", "echo-lambda")
    equal(done.returncode, 1)
    equal(done.stderr, "package-lambda: cannot write to /dev/null/zips: Not a directory\n")


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
