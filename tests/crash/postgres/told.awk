# SPDX-License-Identifier: MIT
# told.awk - are these events of an engine, one JSON object a line, what docs/events.md says of its database? lost and back
# take turns, each with what it has to tell; and only where commits were lost (went=some), one says that it went back.
# Prints what is wrong.
#
# Run it by `awk -f told.awk -v engine=NAME -v went=nothing|none|some FILE`. nothing: not even a loss.

function text(key,    member)
{
    member = "\"" key "\":\"([^\"\\\\]|\\\\.)*\""
    return match($0, member) ? substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5) : ""
}

function must(holds, what)
{
    if (holds)
        return
    print what ": " $0
    wrong = 1
    exit
}

{
    kind = text("event")
    sub("^engine.database_", "", kind)
    must(kind == "went_back" ? went == "some" : went != "nothing" && (kind == "lost" || kind == "back"), "not expected")
    must(text("engine") == engine && text("timestamp") != "", "no engine or no time")
}

kind == "lost" {
    must(since == "" && text("error") != "" && text("since") == "", "not a loss")
    since = text("timestamp")
    losses++
}

kind == "back" {
    must(since != "" && text("since") == since && text("error") == "", "not its end")
    since = ""
}

kind == "went_back" {
    must(text("error") ~ /went back in time: lane [0-9]+ is at turn/ && text("since") == "", "does not say what is lost")
    times_back++
}

END {
    if (!wrong && ((losses == 0 && went != "nothing") || since != "" || times_back + 0 != (went == "some")))
        print "lost " losses + 0 " times, " (since != "" ? "not back, " : "") "went back " times_back + 0 " times"
}
