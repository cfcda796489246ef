// SPDX-License-Identifier: MIT
// turn_outcome.c - a turn is carried out, and an unknown outcome is found out (docs/ownership.md).
//
// That the lane's row has the number before this turn's does not mean that the turn is lost for good: it may still lie in
// front of a server process that has not read it. Then it and the one that is sent again race, and the fence lets one
// through. So a turn that was unknown once and is fenced now may be fenced by itself: only the row can tell.
#include "engine/lane.h"

// The lane must know that what the turn asked for and got was never heard.
static void find_out(struct store *s, struct lane *l, int64_t now, const struct turn *turn, struct turn_result *ret)
{
    ret->outcome = OUT_UNKNOWN;
    lane_outcome(l, now, ret);
    ret->outcome = s->ops->resolve(s, turn, &ret->error);
}

void turn_carry_out(struct store *s, struct lane *l, int64_t now, const struct turn *turn, struct doubt *doubt,
                    struct turn_result *ret)
{
    ret->outcome = ret->outcome == OUT_UNKNOWN ? s->ops->resolve(s, turn, &ret->error) : OUT_RETRY;
    if (ret->outcome != OUT_RETRY)
        return;  // the row has told, or there is nobody to ask yet
    s->ops->commit(s, turn, ret);
    bool doubtful = turn->lane != 0 && turn->lane == doubt->lane && turn->number == doubt->number;
    if (ret->outcome == OUT_UNKNOWN) {
        *doubt = (struct doubt){turn->lane, turn->number};
        find_out(s, l, now, turn, ret);
    } else if (ret->outcome == OUT_FENCED && doubtful) {
        find_out(s, l, now, turn, ret);
    }
}
