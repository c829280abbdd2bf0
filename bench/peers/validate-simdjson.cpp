// simdjson On-Demand: one walk over the members, then the rules. Also two floors that read the bytes
// and no more, each as an engine of its own: validate_utf8, and libc's memchr.
#include "validate-peer.h"

#include <cstring>
#include <simdjson.h>
#include <string>
#include <string_view>

using namespace simdjson;

#if defined(PEER_UTF8)
extern "C" const char peer_name[] = "validate_utf8";
#elif defined(PEER_MEMCHR)
extern "C" const char peer_name[] = "memchr";
#else
extern "C" const char peer_name[] = "simdjson";
#endif

extern "C" const char *peer_version(void)
{
#ifdef PEER_MEMCHR
    return "libc";
#else
    static const std::string text = std::to_string(SIMDJSON_VERSION_MAJOR) + "." +
                                    std::to_string(SIMDJSON_VERSION_MINOR) + "." +
                                    std::to_string(SIMDJSON_VERSION_REVISION) + " (" +
                                    std::string(get_active_implementation()->name()) + ")";
    return text.c_str();
#endif
}

extern "C" void peer_start(void) {}

#if defined(PEER_UTF8)
extern "C" int peer_judge(const char *text, size_t len, int, struct peer_fields *)
{
    return simdjson::validate_utf8(text, len);
}
#elif defined(PEER_MEMCHR)
extern "C" int peer_judge(const char *text, size_t len, int, struct peer_fields *)
{
    return std::memchr(text, 0, len) == nullptr;
}
#else
static ondemand::parser parser;

static bool take(ondemand::value value, int field, peer_fields *out)
{
    std::string_view text;
    if (value.get_string().get(text) != SUCCESS)
        return false;
    out->ptr[field] = text.data();
    out->len[field] = text.size();
    return true;
}

static bool walk_data(ondemand::object data, peer_fields *out)
{
    for (auto member : data) {
        std::string_view name;
        ondemand::value value;
        if (member.unescaped_key().get(name) != SUCCESS || member.value().get(value) != SUCCESS)
            return false;
        int field = name == "action"      ? PEER_ACTION
                    : name == "message"   ? PEER_MESSAGE
                    : name == "sessionId" ? PEER_SESSION
                    : name == "token"     ? PEER_TOKEN
                                          : -1;
        if (field >= 0 && !take(value, field, out))
            return false;
    }
    return true;
}

static bool walk(ondemand::object root, peer_fields *out)
{
    bool data_seen = false;
    for (auto member : root) {
        std::string_view name;
        ondemand::value value;
        ondemand::object data;
        if (member.unescaped_key().get(name) != SUCCESS || member.value().get(value) != SUCCESS)
            return false;
        if (name == "type" && !take(value, PEER_TYPE, out))
            return false;
        if (name != "data")
            continue;
        if (value.get_object().get(data) != SUCCESS || !walk_data(data, out))
            return false;
        data_seen = true;
    }
    return data_seen;
}

extern "C" int peer_judge(const char *text, size_t len, int, struct peer_fields *out)
{
    ondemand::document document;
    ondemand::object root;
    const char *behind;
    *out = {};
    if (parser.iterate(text, len, len + PEER_PADDING).get(document) != SUCCESS ||
        document.get_object().get(root) != SUCCESS || !walk(root, out) ||
        document.current_location().get(behind) == SUCCESS) // succeeds when something follows
        return 0;
    return peer_accepts(out);
}
#endif
