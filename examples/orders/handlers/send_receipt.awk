# SPDX-License-Identifier: MIT
# Writes the receipt's subject line to the log, where an example has no mail server.
BEGIN {
    subject = sprintf("Your order %s: %.2f EUR", J["task.context.order_id"], J["parents.charge_payment.charged_cents"] / 100)
    print "to " J["task.context.email"] ": " subject > "/dev/stderr"
    reply("\"subject\": " quote(subject))
}
