# SPDX-License-Identifier: MIT
# Turns a CSV file with a header into JSON lines, one object per row:
#   awk -v numbers=quantity -f handlers/csv.awk -f to_contexts.awk orders.csv
# Values are strings, but for those of the columns in `numbers` that are whole numbers.
function json(s, name)
{
    if (index("," numbers ",", "," name ",") && s ~ /^(0|-?[1-9][0-9]*)$/) return s
    gsub(/\\/, "\\\\", s)
    gsub(/"/, "\\\"", s)
    gsub(/\t/, "\\t", s)
    return "\"" s "\""
}

{ sub(/\r$/, "") }
NR == 1 { columns = csv_split($0, names); next }
csv_split($0, values) != columns { printf "line %d: %d columns expected\n", NR, columns > "/dev/stderr"; exit 1 }
{
    for (i = 1; i <= columns; i++) printf "%s%s: %s", i == 1 ? "{" : ", ", json(names[i]), json(values[i], names[i])
    print "}"
}
