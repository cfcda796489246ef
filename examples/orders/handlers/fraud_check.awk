# SPDX-License-Identifier: MIT
# Scores an order from 0 to 100 by what swindlers have in common; above 70 nobody is charged.
BEGIN {
    amount = J["parents.validate_order.amount_cents"] + 0
    score = 5
    if (J["task.context.email"] ~ /@throwaway\./) score += 40
    if (J["task.context.quantity"] + 0 > 10) score += 25
    if (amount > 500000) score += 20
    if (score > 70)
        reject("FRAUD_SUSPECTED", "the order scores " score " of 100")
    reply("\"score\": " score)
}
