# SPDX-License-Identifier: MIT
# csv.awk - reading CSV: one line into fields, and the shop's catalogue of products.

# product finds a row of products.csv by its number: P["name"], P["price_cents"], P["warehouse"], P["weight_g"].
function product(sku,   row, names, values, i, found)
{
    getline row < "products.csv"
    csv_split(row, names)
    while (!found && (getline row < "products.csv") > 0)
        if (csv_split(row, values) && values[1] == sku) {
            for (i in names) P[names[i]] = values[i]
            found = 1
        }
    close("products.csv")
    return found
}

# csv_split cuts one line at its commas; a quoted field may contain commas and doubled quotes.
function csv_split(row, fields,   n, field)
{
    split("", fields)
    row = row ","
    while (row != "") {
        match(row, row ~ /^"/ ? "^\"([^\"]|\"\")*\"," : "^[^,]*,")
        field = substr(row, 1, RLENGTH - 1)
        row = substr(row, RLENGTH + 1)
        if (field ~ /^"/) {
            field = substr(field, 2, length(field) - 2)
            gsub(/""/, "\"", field)
        }
        fields[++n] = field
    }
    return n
}
