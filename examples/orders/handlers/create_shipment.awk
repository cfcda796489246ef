# SPDX-License-Identifier: MIT
# Books a parcel: carrier and label by weight.
BEGIN {
    product(J["task.context.sku"])
    weight = P["weight_g"] * J["task.context.quantity"]
    carrier = weight > 5000 ? "freight" : weight > 500 ? "parcel" : "letter"
    reply("\"carrier\": " quote(carrier) ", \"label\": " quote(toupper(substr(carrier, 1, 1)) "-" J["task.id"] "-" weight))
}
