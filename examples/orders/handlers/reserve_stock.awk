# SPDX-License-Identifier: MIT
# Reserves the goods in the warehouse that has them.
BEGIN {
    product(J["task.context.sku"])
    if (P["warehouse"] == "-")
        reject("OUT_OF_STOCK", P["name"] " is out of stock for good")
    reply("\"warehouse\": " quote(P["warehouse"]) ", \"weight_g\": " P["weight_g"] * J["task.context.quantity"])
}
