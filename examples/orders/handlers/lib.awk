# SPDX-License-Identifier: MIT
# lib.awk - what the handlers share. A handler is an awk program in one BEGIN block:
#
#   reads    the step's document from standard input; every scalar is J[path] then: J["task.context.order_id"],
#            J["parents.reserve_stock.price_cents"], J["step.attempt"]; null is ""
#   answers  reply("\"key\": ...")            results, exit status 0
#            reject(code, message)            never try again, exit status 65
#            try_later(code, message, after) try again, at the earliest after so many seconds, exit status 75
BEGIN {
    while ((getline json_line) > 0) json_text = json_text json_line "\n"
    json_pos = 1
    json_value("")
}

# quote writes a string as JSON.
function quote(s)
{
    gsub(/\\/, "\\\\", s)
    gsub(/"/, "\\\"", s)
    gsub(/\t/, "\\t", s)
    gsub(/\n/, "\\n", s)
    return "\"" s "\""
}

function reply(members) { print "{" members "}"; exit 0 }

function reject(code, message)  { refuse(65, code, message, "") }

function try_later(code, message, after) { refuse(75, code, message, after) }

function refuse(status, code, message, after)
{
    printf "{\"error\": {\"code\": %s, \"message\": %s%s}}\n", quote(code), quote(message), \
        after == "" ? "" : ", \"retry_after\": " after
    exit status
}

# json_value reads the value at json_pos and stores the scalars below `path`.
function json_value(path,   c, word)
{
    c = json_peek()
    if (c == "{" || c == "[") json_container(path, c == "{" ? "}" : "]")
    else if (c == "\"") J[path] = json_string()
    else {
        match(substr(json_text, json_pos, 400), /^[-+.0-9a-zA-Z]+/)
        word = substr(json_text, json_pos, RLENGTH)
        json_pos += RLENGTH
        J[path] = word == "null" ? "" : word
    }
}

function json_container(path, last,   i, key)
{
    json_pos++
    for (i = 0; json_peek() != last; i++) {
        key = i
        if (last == "}") {
            key = json_string()
            json_peek()
            json_pos++ # the colon
        }
        json_value(path == "" ? key : path "." key)
        if (json_peek() == ",") json_pos++
    }
    json_pos++
}

function json_string(   s, i)
{
    for (i = json_pos + 1; substr(json_text, i, 1) != "\""; i++)
        if (substr(json_text, i, 1) == "\\") i++
    s = substr(json_text, json_pos + 1, i - json_pos - 1)
    json_pos = i + 1
    gsub(/\\\\/, "\001", s)
    gsub(/\\"/, "\"", s)
    gsub(/\\\//, "/", s)
    gsub(/\\n/, "\n", s)
    gsub(/\\t/, "\t", s)
    gsub(/\001/, "\\", s)
    return s
}

function json_peek(   c)
{
    while ((c = substr(json_text, json_pos, 1)) ~ /[ \t\r\n]/) json_pos++
    return c
}
