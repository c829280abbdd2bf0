// simdjson On-Demand: one walk over the members, then the rules. Its validate_utf8 is a floor: it reads the
// bytes and no more.
#include "validate-peer.h"

#include <simdjson.h>
#include <string>
#include <string_view>

using namespace simdjson;

extern "C" const char peer_name[] = "simdjson";

extern "C" const char *peer_version(void)
{
    static const std::string text = std::to_string(SIMDJSON_VERSION_MAJOR) + "." +
                                    std::to_string(SIMDJSON_VERSION_MINOR) + "." +
                                    std::to_string(SIMDJSON_VERSION_REVISION) + " (" +
                                    std::string(get_active_implementation()->name()) + ")";
    return text.c_str();
}

extern "C" void peer_start(void) {}

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

extern "C" int peer_judge(const char *text, size_t len, int form, struct peer_fields *out)
{
    ondemand::document document;
    ondemand::object root;
    const char *behind;
    if (form == PEER_UTF8)
        return simdjson::validate_utf8(text, len);
    *out = {};
    if (parser.iterate(text, len, len + PEER_PADDING).get(document) != SUCCESS ||
        document.get_object().get(root) != SUCCESS || !walk(root, out) ||
        document.current_location().get(behind) == SUCCESS) // succeeds when something follows
        return 0;
    return peer_accepts(out);
}
