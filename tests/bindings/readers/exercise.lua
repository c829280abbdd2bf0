-- wsrt.ffi.h as LuaJIT reads it: exercise.lua HEADER LIBRARY
-- Prints the size of every struct named on standard input, then calls the library, once with a callback.
local ffi = require("ffi")
local header = assert(io.open(arg[1]))
ffi.cdef(header:read("*a"))
header:close()
local lib = ffi.load(arg[2])

for name in io.lines() do
    print("size", name, tonumber(ffi.sizeof(name)))
end

local function span(text)
    return ffi.new("wsrt_span", text, #text)
end

print("version", ffi.string(lib.wsrt_version_string()))
local value = ffi.new("int64_t[1]")
assert(lib.wsrt_constant("WSRT_ERR_GONE", value) == lib.WSRT_OK)
print("constant", tonumber(value[0]))

local registry = ffi.new("wsrt_breakers *[1]")
assert(lib.wsrt_breakers_new(registry, nil) == lib.WSRT_OK)
local breaker = ffi.new("wsrt_breaker *[1]")
assert(lib.wsrt_breakers_get(registry[0], span("dynamodb"), span("put"), nil, breaker, nil) == 0)
local seen = ffi.cast("int (*)(wsrt_breaker *, void *)", function(b)
    local service = lib.wsrt_breaker_service(b)
    print("callback", ffi.string(service.ptr, service.len))
    return 0
end)
assert(lib.wsrt_breakers_foreach(registry[0], seen, nil) == lib.WSRT_OK)
seen:free()
lib.wsrt_breaker_release_ref(breaker[0])
lib.wsrt_breakers_free(registry[0])
