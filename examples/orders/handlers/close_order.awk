# SPDX-License-Identifier: MIT
# The order is done: both branches have ended.
BEGIN {
    reply("\"order_id\": " quote(J["task.context.order_id"]) ", \"label\": " quote(J["parents.create_shipment.label"]))
}
