"""A binding of libwsrt in Python, made of the installed wsrt.ffi.h and the documents alone.

It shows what a binding must keep in mind: who owns which bytes and for how long, that structs are
zeroed and carry their size, and that nothing may be thrown through a callback."""
import sys

import cffi

ffi = cffi.FFI()


class Error(Exception):
    """A negative status, by its name."""

    def __init__(self, lib, status, why=""):
        self.status = ffi.string(lib.wsrt_status_name(status)).decode()
        super().__init__(self.status + (": " + why if why else ""))


class Library:
    """The loaded library: `header` is the text of wsrt.ffi.h, `path` the file libwsrt.so.0."""

    def __init__(self, header, path):
        ffi.cdef(header)
        self.c = ffi.dlopen(path)

    def version(self):
        return ffi.string(self.c.wsrt_version_string()).decode()

    def check(self, status, why=""):
        if status < 0:
            raise Error(self.c, status, why)
        return status

    def constant(self, name):
        value = ffi.new("int64_t *")
        self.check(self.c.wsrt_constant(name.encode(), value), name)
        return value[0]

    def schema(self, text):
        return Schema(self, text)

    def runtime(self):
        return Runtime(self)


def sized(kind):
    """A zeroed struct that knows its size: all that a growing struct wants."""
    made = ffi.new(kind + " *")
    made.struct_size = ffi.sizeof(kind)
    return made


def borrowed(span):
    """A copy of the bytes of a span, which are valid for the moment only."""
    return ffi.buffer(span.ptr, span.len)[:] if span.len else b""


class Span:
    """Bytes kept alive for as long as the span that points to them is used."""

    def __init__(self, data):
        self.bytes = ffi.from_buffer(data)
        self.c = ffi.new("wsrt_span *", {"ptr": self.bytes, "len": len(data)})[0]


class Schema:
    SLOTS, ISSUES, SCRATCH = 32, 16, 16384

    def __init__(self, library, text):
        self.library = library
        out, why = ffi.new("wsrt_schema **"), ffi.new("wsrt_schema_error *")
        status = library.c.wsrt_schema_new(out, text, len(text), ffi.NULL, why)
        library.check(status, ffi.string(why.text_cstr).decode() if why.text_cstr else "")
        self.c = ffi.gc(out[0], library.c.wsrt_schema_free)

    def issues(self, message):
        """What is wrong with a message of bytes: a list of (JSON pointer, code, text)."""
        lib, options = self.library.c, sized("wsrt_validate_options")
        options.flags = self.library.constant("WSRT_VALIDATE_COLLECT_ALL")
        slots, issues = ffi.new("wsrt_slot[]", self.SLOTS), ffi.new("wsrt_issue[]", self.ISSUES)
        scratch = ffi.new("char[]", self.SCRATCH)
        v = sized("wsrt_validation")
        v.slots, v.slot_cap, v.issues, v.issue_cap = slots, self.SLOTS, issues, self.ISSUES
        v.scratch, v.scratch_cap = scratch, self.SCRATCH
        status = lib.wsrt_validate(self.c, message, len(message), options, v)
        if status < 0 and v.issue_count == 0:
            self.library.check(status)
        return [(self.pointer(message, issues[i]),
                 ffi.string(lib.wsrt_issue_code_name(issues[i].code)).decode(),
                 ffi.string(issues[i].text_cstr).decode()) for i in range(v.issue_count)]

    def pointer(self, message, issue):
        text, length = ffi.new("char[]", 256), ffi.new("size_t *")
        self.library.c.wsrt_issue_pointer(self.c, message, len(message), ffi.addressof(issue), 0,
                                          text, 256, length)
        return ffi.buffer(text, length[0])[:].decode()


class Runtime:
    def __init__(self, library):
        self.library = library
        out = ffi.new("wsrt_runtime **")
        library.check(library.c.wsrt_runtime_new(out, ffi.NULL))
        self.c = ffi.gc(out[0], library.c.wsrt_runtime_free)
        self.kept = []  # callbacks, which must outlive the runtime

    def route(self, key, handler, schema=None):
        """`handler` takes the body's bytes and returns those to reply, or None."""
        lib, internal = self.library.c, self.library.constant("WSRT_ERR_INTERNAL")

        @ffi.callback("wsrt_handler", error=internal)
        def call(context, request, _user):
            try:
                answer = handler(borrowed(request.event.body))
                if answer is None:
                    return 0
                span = Span(answer)
                return lib.wsrt_reply(context, span.c)
            except Exception as error:  # noqa: BLE001: nothing is thrown through C
                print(f"handler of {key}: {error!r}", file=sys.stderr)
                return internal

        route, name = sized("wsrt_route"), Span(key.encode())
        route.key, route.handler = name.c, call
        if schema is not None:
            route.schema = schema.c
        self.kept += [call, schema]
        self.library.check(lib.wsrt_runtime_route(self.c, route))

    def connect(self, connection):
        return self.dispatch("WSRT_EVENT_CONNECT", connection, b"")[0]

    def message(self, connection, body):
        """What the runtime sends back to the connection for one message."""
        return self.dispatch("WSRT_EVENT_MESSAGE", connection, body)[1]

    def dispatch(self, kind, connection, body):
        status, said = [0], []

        @ffi.callback("wsrt_response_fn")
        def respond(response, _user):
            status[0] = response.status
            if response.body.len:
                said.append(borrowed(response.body))

        @ffi.callback("wsrt_reply_fn", error=0)
        def reply(_transport, data, length, _flags):
            said.append(ffi.buffer(data, length)[:])
            return 0

        event, who, what = sized("wsrt_event"), Span(connection.encode()), Span(body)
        event.kind = self.library.constant(kind)
        event.connection_id, event.body = who.c, what.c
        if body:  # only a MESSAGE has a way back of its own
            event.reply = reply
        self.library.check(self.library.c.wsrt_runtime_dispatch(self.c, event, respond, ffi.NULL))
        return status[0], said
