# SPDX-License-Identifier: MIT
# Refuses an order that nobody can deliver; gives product and amount to the steps behind it.
BEGIN {
    order = "task.context."
    if (J[order "street"] == "" || J[order "postcode"] == "" || J[order "city"] == "")
        reject("ADDRESS_MISSING", "the delivery address is incomplete")
    if (J[order "email"] !~ /^[^@ ]+@[^@ ]+\.[a-z]+$/)
        reject("EMAIL_MALFORMED", "\"" J[order "email"] "\" is no e-mail address")
    if (J[order "quantity"] !~ /^[1-9][0-9]*$/)
        reject("QUANTITY_INVALID", "the quantity is " J[order "quantity"])
    if (!product(J[order "sku"]))
        reject("PRODUCT_UNKNOWN", "there is no product " J[order "sku"])
    reply("\"product\": " quote(P["name"]) ", \"amount_cents\": " P["price_cents"] * J[order "quantity"])
}
