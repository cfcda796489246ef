// SPDX-License-Identifier: MIT
// sim_engine.c - one engine of the simulated world: what the lane thread, the workers and the callers would do.
#include "sim.h"

#include "engine/engine_private.h"

#include <stdio.h>
#include <string.h>

const char *const sim_classes[3] = {"Alpha", "Beta", "Gamma"};

bool chance(struct sim *s, int percent)
{
    return (int)rng_below(&s->rng, 100) < percent;
}

static bool faults(const struct sim *s)
{
    return s->now < s->faults_until;
}

static void push(struct sim *s, struct sim_engine *e, struct lane_input *in)
{
    (void)s;
    if (lane_push(e->lane, in) < 0)
        lane_input_free(in);
}

// ------------------------------------------------------------------------------------------------ boot and crash

static void open_worker(struct sim *s, struct sim_engine *e)
{
    struct lane_input *in = lane_input_new(IN_WORKER_OPEN);
    in->worker.worker = e->worker = e->incarnation * 10 + 1;
    in->worker.capacity = 1 + (int32_t)rng_below(&s->rng, 4);
    in->worker.classes = mem_alloc(sizeof(char *) * 3);
    for (unsigned i = 0; i < 3; i++)
        if (e->serves & (1u << i))
            in->worker.classes[in->worker.class_count++] = mem_strdup(sim_classes[i]);
    push(s, e, in);
}

void engine_boot(struct sim *s, struct sim_engine *e)
{
    e->incarnation++;
    e->up = true;
    e->turn = NULL;
    e->paused_until = e->restart_at = 0;
    snprintf(e->name, sizeof(e->name), "engine%d.%d", e->index, e->incarnation);
    snprintf(e->process, sizeof(e->process), "%d/%d", 1000 + e->index, e->incarnation);
    engine_options_init(&e->options);
    e->options.lease_us = 2 * US_PER_SECOND;
    e->options.max_concurrent_steps = chance(s, 20) ? 2 : 0;
    e->options.max_crashes = 5;
    struct lane_config c = {.name = e->name,
                            .process = e->process,
                            .database_id = "sim",
                            .options = &e->options,
                            .seed = rng_next(&s->rng)};
    e->lane = lane_new(&c);
    turn_result_init(&e->result);
    list_init(&e->handouts);
    lane_listeners(e->lane, chance(s, 50) ? UINT64_MAX : 0);
    bool last = e->index == SIM_ENGINES - 1;
    e->client = last && chance(s, 60);
    if (e->client)
        return;
    struct lane_input *in = lane_input_new(IN_START);
    in->mode.claim = !last;
    push(s, e, in);
    open_worker(s, e);
}

static void forget(struct sim_engine *e)
{
    struct list *node;
    while ((node = list_pop(&e->handouts)))
        mem_free(container_of(node, struct sim_handout, link));
    lane_free(e->lane);
    turn_result_done(&e->result);
    e->lane = NULL;
    e->turn = NULL;
    e->up = false;
    e->drain_at = 0;
}

void engine_crash(struct sim *s, struct sim_engine *e)
{
    if (s->verbose)
        printf("%lld %s crashes\n", (long long)s->now, e->name);
    forget(e);
    s->crashes++;
    e->restart_at = s->now + (int64_t)rng_below(&s->rng, 6 * US_PER_SECOND);
}

// ------------------------------------------------------------------------------------------------------- actions

static void give(struct sim *s, struct sim_engine *e, struct action *a)
{
    struct sim_handout *h = mem_alloc(sizeof(*h));
    h->token = a->token;
    h->attempt = a->handout->attempt;
    int64_t longest = chance(s, 10) ? 3 * US_PER_SECOND : 80 * US_PER_MS;
    h->finish_at = s->now + (int64_t)rng_below(&s->rng, (uint64_t)longest);
    list_push(&e->handouts, &h->link);
    s->handed_out++;
    if (s->verbose)
        printf("%lld %s gives task %lld step %u attempt %d\n", (long long)s->now, e->name,
               (long long)a->handout->task_id, a->handout->step, a->handout->attempt);
    handout_free(a->handout);
}

static void stop(struct sim *s, struct sim_engine *e, struct action *a)
{
    list_each(node, &e->handouts)
    {
        struct sim_handout *h = container_of(node, struct sim_handout, link);
        if (h->token != a->token)
            continue;
        h->stale = h->stale || a->stale;
        if (h->finish_at > s->now + 20 * US_PER_MS)
            h->finish_at = s->now + (int64_t)rng_below(&s->rng, 20 * US_PER_MS);
    }
}

static void reply(struct sim *s, struct sim_engine *e, struct action *a)
{
    (void)e;
    struct sim_ticket *t = a->ticket;
    t->answered = true;
    t->code = a->error.code;
    t->id = a->id;
    if (!t->command && t->code == 0 && s->task_count < SIM_MAX_TASKS)
        s->tasks[s->task_count++] = a->id;
    blob_unref(a->blob);
}

static void load(struct sim *s, struct sim_engine *e, struct action *a)
{
    struct lane_input *in = lane_input_new(IN_LOADED);
    in->loaded.rows = mem_alloc(sizeof(*in->loaded.rows));
    task_rows_init(in->loaded.rows);
    in->loaded.task_id = a->id;
    in->loaded.number = a->token;
    bool locked = a->unlocked && faults(s) && chance(s, 50);
    in->loaded.rc = locked ? TASKER_E_BUSY : s->store->ops->load_task(s->store, a->id, in->loaded.rows, NULL);
    for (size_t i = 0; in->loaded.rc == 0 && i < SIM_TEMPLATES; i++)
        if (s->templates[i]->template_id == in->loaded.rows->template_id)
            in->loaded.tpl = template_ref(s->templates[i]);
    if (in->loaded.rc == 0 && !in->loaded.tpl)
        fail(s, "task %lld has no template", (long long)a->id);
    push(s, e, in);
}

static void load_offer(struct sim *s, struct sim_engine *e, struct action *a)
{
    struct lane_input *in = lane_input_new(IN_OFFER_LOADED);
    in->offer.rows = mem_alloc(sizeof(*in->offer.rows));
    offer_rows_init(in->offer.rows);
    in->offer.token = a->token;
    in->offer.rc = s->store->ops->load_offer(s->store, a->id, in->offer.rows, NULL);
    for (size_t i = 0; in->offer.rc == 0 && i < SIM_TEMPLATES; i++)
        if (s->templates[i]->template_id == in->offer.rows->template_id)
            in->offer.tpl = template_ref(s->templates[i]);
    push(s, e, in);
}

static void holdings(struct sim *s, struct sim_engine *e, struct action *a)
{
    struct lane_input *in = lane_input_new(IN_HOLDINGS);
    in->holdings.found = mem_alloc(sizeof(*in->holdings.found));
    holdings_init(in->holdings.found);
    in->holdings.lane = a->id;
    in->holdings.number = a->token;
    in->holdings.rc = s->store->ops->holdings(s->store, a->id, in->holdings.found, NULL);
    push(s, e, in);
}

static bool alive(const struct sim *s, const char *process)
{
    for (size_t i = 0; i < SIM_ENGINES; i++)
        if (s->engines[i].up && strcmp(s->engines[i].process, process) == 0)
            return true;
    return false;
}

static void poll_rows(struct sim *s, struct sim_engine *e, struct action *a)
{
    (void)a;
    struct lane_input *in = lane_input_new(IN_POLLED);
    struct poll_want want;
    in->polled.found = mem_alloc(sizeof(*in->polled.found));
    poll_result_init(in->polled.found);
    lane_poll_want(e->lane, &want);
    tasker_error err = {0};
    in->polled.rc = s->store->ops->poll(s->store, &want, s->now, in->polled.found, &err);
    if (in->polled.rc < 0)
        fail(s, "poll: %s", err.message);
    const struct poll_result *p = in->polled.found;
    in->polled.dead = mem_alloc((p->lane_count + 1) * sizeof(int64_t));
    for (size_t i = 0; i < p->lane_count; i++)
        if (!alive(s, p->lanes[i].process) && chance(s, 50))
            in->polled.dead[in->polled.dead_count++] = p->lanes[i].lane;
    push(s, e, in);
}

static void event(struct sim *s, struct sim_engine *e, struct action *a)
{
    (void)e;
    if (a->blob->data[0] != '{' || json_check((struct span){a->blob->data, a->blob->size}, NULL, NULL) < 0)
        fail(s, "event is not JSON: %s", a->blob->data);
    blob_unref(a->blob);
}

static void drained_action(struct sim *s, struct sim_engine *e, struct action *a)
{
    (void)a;
    e->drain_at = -1;
    e->restart_at = s->now + (int64_t)rng_below(&s->rng, US_PER_SECOND);
}

static void act(struct sim *s, struct sim_engine *e)
{
    static void (*const acts[ACT_KIND_COUNT])(struct sim *, struct sim_engine *, struct action *) = {
        [ACT_GIVE] = give, [ACT_STOP] = stop,      [ACT_EVENT] = event,           [ACT_REPLY] = reply,
        [ACT_LOAD] = load, [ACT_POLL] = poll_rows, [ACT_LOAD_OFFER] = load_offer, [ACT_DRAINED] = drained_action,
        [ACT_HOLDINGS] = holdings,
    };
    struct action a;
    while (lane_next_action(e->lane, &a))
        acts[a.kind](s, e, &a);
}

// ----------------------------------------------------------------------------------------------------- commits

// A task that the turn writes, or wants to claim; 0: none.
static int64_t some_task(struct sim *s, const struct turn *t)
{
    size_t from = t->change_count > 0 ? rng_below(&s->rng, (uint32_t)t->change_count) : 0;
    for (size_t i = 0; i < t->change_count; i++) {
        const struct change *c = &t->changes[(from + i) % t->change_count];
        if (c->kind == CH_TASK_ROW)
            return c->row.owner_id;
        if (c->kind == CH_TASK_INSERT)
            return c->task.task_id;
        if (c->kind == CH_ACTIVE_UPDATE || c->kind == CH_ACTIVE_DELETE)
            return c->active.task_id;
    }
    return t->claim_task;
}

// The outcome that the engine sees. What really happened to the rows may differ: that is what UNKNOWN is about.
static void commit(struct sim *s, struct sim_engine *e)
{
    bool fault = faults(s) && chance(s, s->fault_percent);
    int what = fault ? (int)rng_below(&s->rng, 5) : -1;
    struct turn_result *r = &e->result;
    r->locked_count = 0;
    r->spent = false;
    if (what == 4) {  // somebody else has locked one of its tasks
        e->locked = some_task(s, e->turn);
        r->outcome = OUT_RETRY;
        r->locked = &e->locked;
        r->locked_count = e->locked != 0;
        return;
    }
    if (what == 0) {
        r->outcome = OUT_RETRY;
        return;
    }
    if (what == 1 && e->turn->kind == TURN_WORK) {
        r->outcome = OUT_REFUSED;  // with nothing known of the culprit
        r->culprit = -1;
        r->existing_task_id = 0;
        err_set(&r->error, TASKER_E_STORE, "refused by the simulator");
        return;
    }
    if (what == 2) {  // the connection broke before the commit arrived; it does when it was asked for and is not there
        struct turn_result late;
        r->outcome = s->store->ops->resolve(s->store, e->turn, NULL);
        r->spent = r->outcome == OUT_RETRY && e->turn->kind != TURN_REGISTER;
        r->task_id_ranges = r->step_id_ranges = r->claimed_count = r->offer_count = r->request_count = 0;
        turn_result_init(&late);
        s->store->ops->commit(s->store, e->turn, &late);
        if (e->turn->kind != TURN_REGISTER && late.outcome != OUT_FENCED)
            fail(s, "a turn that was not there was %s afterwards", commit_outcome_names[late.outcome]);
        turn_result_done(&late);
        return;
    }
    s->store->ops->commit(s->store, e->turn, r);
    if (what == 3 && r->outcome == OUT_COMMITTED && e->turn->kind != TURN_REGISTER) {
        // it broke behind the commit: that it was done is found out, what it answered is lost
        struct turn_result empty;
        r->outcome = OUT_UNKNOWN;
        lane_outcome(e->lane, s->now, r);
        turn_result_init(&empty);
        empty.outcome = s->store->ops->resolve(s->store, e->turn, NULL);
        turn_result_done(r);
        *r = empty;
    }
    s->commits += r->outcome == OUT_COMMITTED;
    if (r->outcome == OUT_REFUSED && r->existing_task_id == 0 && !strstr(r->error.message, "identity_hash"))
        fail(s, "refused: %s (change %lld, %s)", r->error.message, (long long)r->culprit,
             r->culprit >= 0 ? change_names[e->turn->changes[r->culprit].kind] : "?");
    if (r->outcome == OUT_UNKNOWN)
        fail(s, "unknown outcome of a healthy database: %s", r->error.message);
}

// One line per turn: its outcome, what it asked for, and every change with the row it is about.
static void trace(const struct sim *s, const struct sim_engine *e)
{
    const struct turn *t = e->turn;
    printf("%lld %s lane %lld turn %lld kind %d: %s", (long long)s->now, e->name, (long long)t->lane,
           (long long)t->number, t->kind, commit_outcome_names[e->result.outcome]);
    if (t->claim_task)
        printf(", claim of task %lld: %d", (long long)t->claim_task, e->result.claim_answer);
    for (size_t i = 0; i < e->result.claimed_count; i++)
        printf(", claimed %lld", (long long)e->result.claimed[i]);
    for (size_t i = 0; i < t->change_count; i++)
        printf(" %s(%lld)", change_names[t->changes[i].kind], (long long)t->changes[i].row.owner_id);
    printf("\n");
}

static bool has_given_up(const void *ticket, const void *who)
{
    const struct sim_ticket *t = ticket;
    (void)who;
    return t->gives_up;
}

// Some callers of the engine wait no longer.
static void give_up(struct sim *s, struct sim_engine *e)
{
    struct lane_regrets why = {0};
    err_set(&why.unwritten, TASKER_E_BUSY, "nothing was written");
    err_set(&why.doubtful, TASKER_E_TIMEOUT, "not known");
    for (size_t i = 0; i < s->ticket_count; i++) {
        struct sim_ticket *t = &s->tickets[i];
        bool asks = !t->answered && t->engine == e->index && t->incarnation == e->incarnation;
        t->gives_up = t->gives_up || (asks && chance(s, 60));
    }
    lane_withdraw(e->lane, has_given_up, NULL, &why);
}

static void finish_commit(struct sim *s, struct sim_engine *e)
{
    commit(s, e);
    if (faults(s) && chance(s, 1)) {  // it dies with the commit done and nothing acted upon
        engine_crash(s, e);
        return;
    }
    if (s->verbose)
        trace(s, e);
    e->turn = NULL;
    lane_outcome(e->lane, s->now, &e->result);
    if (faults(s) && e->result.outcome == OUT_RETRY && chance(s, 30))
        give_up(s, e);
    act(s, e);
}

// ------------------------------------------------------------------------------------------------------ handlers

static void answer(struct sim *s, struct sim_engine *e, struct sim_handout *h)
{
    struct lane_input *in = lane_input_new(IN_ANSWER);
    in->answer.token = h->token;
    int dice = (int)rng_below(&s->rng, 100);
    in->answer.answer = h->stale ? ANSWER_RETURNED : ANSWER_COMPLETE;
    in->answer.late = h->stale && dice < 50;
    if (!h->stale && dice < 15) {
        in->answer.answer = ANSWER_FAIL;
        in->answer.failure = mem_alloc(sizeof(*in->answer.failure));
        arena_init(&in->answer.failure->arena);
        in->answer.failure->f.message = SPAN("simulated failure");
        in->answer.failure->f.permanent = dice < 3;
        if (dice > 12)
            in->answer.failure->f.retry_after = SPAN("1");
    } else if (!h->stale && dice < 18) {
        in->answer.answer = ANSWER_RELEASE;
    } else if (!h->stale && dice < 90) {
        in->answer.results = blob_new("{\"ok\":true}", 11);
    }
    push(s, e, in);
    list_remove(&h->link);
    mem_free(h);
}

static struct sim_handout *next_handout(const struct sim_engine *e)
{
    struct sim_handout *first = NULL;
    list_each(node, &e->handouts)
    {
        struct sim_handout *h = container_of(node, struct sim_handout, link);
        if (!first || h->finish_at < first->finish_at)
            first = h;
    }
    return first;
}

// ------------------------------------------------------------------------------------------------------- callers

static struct sim_ticket *new_ticket(struct sim *s, const struct sim_engine *e, bool command)
{
    if (s->ticket_count == ARRAY_SIZE(s->tickets))
        return NULL;
    struct sim_ticket *t = &s->tickets[s->ticket_count++];
    *t = (struct sim_ticket){.command = command, .engine = e->index, .incarnation = e->incarnation};
    return t;
}

static void name_submission(struct sim *s, struct lane_input *in)
{
    struct sim_ticket *t = in->ticket;
    t->named = true;
    snprintf(in->submit.identity, sizeof(in->submit.identity), "ticket-%d", (int)(t - s->tickets));
}

void sim_submit(struct sim *s, struct sim_engine *e)
{
    struct lane_input *in = lane_input_new(IN_SUBMIT);
    in->ticket = new_ticket(s, e, false);
    in->submit.tpl = template_ref(s->templates[rng_below(&s->rng, SIM_TEMPLATES)]);
    in->submit.context = blob_new("{\"order\":1.10}", 14);
    in->submit.priority = (uint8_t)rng_below(&s->rng, PRIO_COUNT);
    in->submit.run_at = chance(s, 15) ? s->now + (int64_t)rng_below(&s->rng, 2 * US_PER_SECOND) : 0;
    in->submit.timeout_us = chance(s, 5) ? 2 * US_PER_SECOND : 0;
    if (chance(s, 5))
        snprintf(in->submit.identity, sizeof(in->submit.identity), "same-%d", (int)rng_below(&s->rng, 3));
    else if (in->ticket && chance(s, 50))
        name_submission(s, in);
    in->submit.return_existing = chance(s, 50);
    s->submitted++;
    push(s, e, in);
}

void sim_command(struct sim *s, struct sim_engine *e)
{
    static const char *const steps[] = {"s0", "s1", "s2", "s3"};
    if (s->task_count == 0)
        return;
    struct lane_input *in = lane_input_new(IN_COMMAND);
    in->ticket = new_ticket(s, e, true);
    in->cmd.command = (uint8_t)rng_below(&s->rng, CMD_TASK_RELEASE); // a released task never ends
    in->cmd.task_id = chance(s, 2) ? 999999999 : s->tasks[rng_below(&s->rng, s->task_count)];
    in->cmd.step = mem_strdup(steps[rng_below(&s->rng, ARRAY_SIZE(steps))]);
    in->cmd.results = chance(s, 50) ? blob_new("{\"by\":\"hand\"}", 13) : NULL;
    push(s, e, in);
}

// ---------------------------------------------------------------------------------------------------------- time

int64_t engine_next(const struct sim *s, const struct sim_engine *e)
{
    if (!e->up || (e->drain_at < 0 && !e->turn))
        return e->restart_at;
    if (e->paused_until > s->now)
        return e->paused_until;
    int64_t at = e->turn ? e->commit_at : lane_deadline(e->lane);
    const struct sim_handout *h = next_handout(e);
    if (h && h->finish_at < at)
        at = h->finish_at;
    if (e->drain_at > 0 && e->drain_at < at)
        at = e->drain_at;
    return at < s->now ? s->now : at;
}

static void begin_drain(struct sim *s, struct sim_engine *e)
{
    struct lane_input *in = lane_input_new(IN_DRAIN);
    in->mode.force = chance(s, 50);
    e->drain_at = in->mode.force ? 0 : s->now + US_PER_SECOND;
    push(s, e, in);
}

static void misfortune(struct sim *s, struct sim_engine *e)
{
    int dice = (int)rng_below(&s->rng, 1000);
    if (dice < 4)
        engine_crash(s, e);
    else if (dice < 8)
        e->paused_until = s->now + (int64_t)rng_below(&s->rng, 5 * US_PER_SECOND);
    else if (dice < 10 && e->drain_at == 0)
        begin_drain(s, e);
    else if (dice < 11 && !e->client) {
        struct lane_input *in = lane_input_new(IN_WORKER_CLOSE);
        in->worker.worker = e->worker;
        push(s, e, in);
        e->incarnation += 100;  // the next worker has another number
        open_worker(s, e);
        e->incarnation -= 100;
    }
}

void engine_run(struct sim *s, struct sim_engine *e)
{
    if (!e->up) {
        engine_boot(s, e);
        return;
    }
    if (e->drain_at < 0 && !e->turn) {
        forget(e);
        engine_boot(s, e);
        return;
    }
    if (e->drain_at > 0 && e->drain_at <= s->now) {
        struct lane_input *in = lane_input_new(IN_DRAIN);
        in->mode.force = true;
        e->drain_at = 0;
        push(s, e, in);
    }
    struct sim_handout *h = next_handout(e);
    if (h && h->finish_at <= s->now)
        answer(s, e, h);
    if (faults(s))
        misfortune(s, e);
    if (!e->up || e->paused_until > s->now)
        return;
    if (e->turn) {
        if (e->commit_at <= s->now)
            finish_commit(s, e);
        return;
    }
    e->turn = lane_step(e->lane, s->now);
    act(s, e);
    if (e->turn)
        e->commit_at = s->now + 200 + (int64_t)rng_below(&s->rng, 3000);
    else if (lane_deadline(e->lane) <= s->now && lane_step(e->lane, s->now) == NULL)
        s->now += 1;  // a lane that wants to be stepped again must have a reason
}
