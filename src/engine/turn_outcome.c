// SPDX-License-Identifier: MIT
// turn_outcome.c - a turn is carried out, and an unknown outcome is settled (docs/ownership.md).
//
// That the lane's row has the number before this turn's does not mean that the turn is lost for good: it may still lie in
// front of a server process that has not read it. So whoever asks also spends the number (store.h, resolve): what comes by
// it later is fenced, and what is sent from then on, the same rows or others, can be taken for nothing else.
#include "engine/lane.h"

static void settle(struct store *s, const struct turn *turn, struct turn_result *ret)
{
    ret->outcome = s->ops->resolve(s, turn, &ret->error);
    ret->spent = ret->outcome == OUT_RETRY && turn->kind != TURN_REGISTER;
}

void turn_carry_out(struct store *s, struct lane *l, int64_t now, const struct turn *turn, struct turn_result *ret)
{
    if (ret->outcome == OUT_UNKNOWN) {
        settle(s, turn, ret);
        if (ret->outcome != OUT_RETRY)
            return;  // the row has told, or there is nobody to ask yet
        lane_outcome(l, now, ret);
    }
    s->ops->commit(s, turn, ret);
    if (ret->outcome != OUT_UNKNOWN)
        return;
    lane_outcome(l, now, ret);  // it must know that what the turn asked for and got was never heard
    settle(s, turn, ret);
}
