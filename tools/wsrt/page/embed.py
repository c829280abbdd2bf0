#!/usr/bin/env python3
"""Turns the page into a C file: its bytes, the same compressed, and the policy that lets its own code run."""
import base64
import gzip
import hashlib
import re
import sys

NAMES = {"script": "script-src", "style": "style-src"}


def policy(page):
    """A Content-Security-Policy with the hashes of what is inline; nothing else runs."""
    parts = ["default-src 'none'"]
    for tag, name in NAMES.items():
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]
        parts.append(f"{name} " + (" ".join(f"'sha256-{h}'" for h in hashes) or "'none'"))
    return "; ".join(parts + ["connect-src 'self'", "img-src data:", "base-uri 'none'",
                              "form-action 'none'", "frame-ancestors 'none'"])


def array(name, data):
    lines = [",".join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def span(name):
    return f"{{(const char *){name}, sizeof {name}}}"


def text(value):
    return f'{{"{value}", sizeof "{value}" - 1}}'


def main(source, target):
    with open(source, encoding="utf-8") as given:
        page = given.read()
    data = page.encode()
    tag = hashlib.sha256(data).hexdigest()[:32]
    with open(target, "w", encoding="utf-8") as out:
        out.write('#include "page.h"\n\n')
        out.write(array("plain", data) + array("packed", gzip.compress(data, 9, mtime=0)))
        out.write("const wsrt_server_document wsrt_page = {sizeof(wsrt_server_document), 0, "
                  f'{text("/")}, {text("text/html; charset=utf-8")},\n{text(policy(page))},\n'
                  f'{text(tag)}, {span("plain")}, {span("packed")}}};\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
