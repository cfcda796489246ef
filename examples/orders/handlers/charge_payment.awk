# SPDX-License-Identifier: MIT
# Charges the card through the payment service, which is a nuisance: now and then it is down or asks to come back later.
# Here it is a simulation that depends on the order's number and the attempt only, so that every run is the same.
#
# A handler may run twice for one step: when a machine dies after the charge and before the result was recorded. The
# ledger therefore keeps the step's idempotency key, and the same key is never charged twice.
BEGIN {
    card = J["task.context.card"]
    amount = J["parents.validate_order.amount_cents"] + 0
    number = substr(J["task.context.order_id"], 3) + 0
    attempt = J["step.attempt"]
    key = J["step.idempotency_key"]
    ledger = ENVIRON["ORDERS_LEDGER"] == "" ? "/dev/null" : ENVIRON["ORDERS_LEDGER"]

    if (number % 97 == 31) try_later("PAYMENT_DOWN", "the payment service is down (HTTP 503)")
    if (number % 11 == 3 && attempt == 1) try_later("PAYMENT_DOWN", "the payment service is down (HTTP 503)")
    if (number % 41 == 5 && attempt <= 2) try_later("PAYMENT_TIMEOUT", "the payment service did not answer in time")
    if (number % 29 == 7 && attempt == 1) try_later("PAYMENT_BUSY", "too many requests (HTTP 429)", 3)
    if (card ~ /_declined_/) reject("CARD_DECLINED", "the bank declined the card")
    if (card ~ /_expired_/) reject("CARD_EXPIRED", "the card has expired")

    while ((getline line < ledger) > 0)
        if (index(line, key "\t") == 1) charged = 1
    if (!charged) printf "%s\t%s\t%d\n", key, J["task.context.order_id"], amount >> ledger
    reply("\"charged_cents\": " amount ", \"receipt\": " quote("R-" number))
}
