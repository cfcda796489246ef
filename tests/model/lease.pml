// SPDX-License-Identifier: MIT
// lease.pml - the protocol of lanes, fences and leases as a model for spin. docs/ownership.md explains it.
//
// Two engines (`owner`) share one task with one step; each has one lane. A turn is one transaction of the server:
//
//     begin   lock the lane's row, look whether it stands and has the number before this turn's; then lock what the
//             turn takes: a free task, the row of a dead lane
//     commit  all of it becomes visible at once, and the locks are released
//
// Between the two any other process may move. An owner does nothing while its turn is under way, so that hearing of a
// commit is one step with the commit itself, unless the connection is lost. Then, and when the engine dies, the
// transaction goes on without listener (`backend`), or is rolled back.
//
// Faults: an engine dies at any point (its memory is lost), a connection is lost before, in and after any turn, an
// engine stands still (it is not chosen), a lease ends at any moment (safety does not know time: any lane may be taken
// over at any time), a stopped process keeps rows locked, the database goes back to an earlier state.
//
// Options of the preprocessor choose a variant:
//   EAGER       the start of the step is a turn of its own; else it is written with the end
//   SUBMIT      the task is made by a turn of engine 0; else it is there and free
//   STRANDED    the task's row names a lane that has no row
//   FAILOVER    the database may go back once, and all connections are lost with it
//   LATE        the turn of a lost connection may reach the server after the owner has asked what became of it
//   REFUSES     the server may refuse a turn, and the owner decides again
//   STOPS       a lane may give everything back and go (a clean stop)
//   LIVE        for liveness: a lane whose engine lives loses its lease EXPIRES times at most
//   CRASHES, LOSSES, EXPIRES, STALLS, LANES   how many of each there may be
// and break the protocol, one rule each, to show that the model would notice:
//   PLAIN_FENCE    the fence reads and locks nothing
//   NO_NUMBER      the fence looks for the lane only, not for the number of its turn
//   KEEP_ROW       takeover frees the tasks but leaves the lane's row
//   REUSE_IDS      a new lane takes the lowest free id
//   IDS_GO_BACK    a database that goes back forgets which ids it gave
//   PLAIN_RESOLVE  what became of a turn is asked without waiting for it
//   NO_SETTLE      the number of a turn that was asked for and is not there is used for the next one
//   NEW_IDENTITY   a submission that is decided again gets another identity
//   STALE_SWEEP    stranded tasks are told by an old view of the lanes, not by the lane's name
//   NO_TAKEOVER    nobody takes over
//   NO_TERMINATE   the server process of a stopped engine keeps its locks

#ifndef LANES
#define LANES 3
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef EXPIRES
#define EXPIRES 1
#endif
#ifndef STALLS
#define STALLS 0
#endif
#if LANES < 3 || LANES > 5
#error LANES is 3 to 5
#endif

mtype = { CREATE, CLAIM, TAKEOVER, START, FINISH, RETIRE, BEAT, SETTLE };  // turns
mtype = { NONE, SENT, OPEN, BROKEN };                        // a transaction: not there, on its way, begun, undone

// ---------------------------------------------------------------------------------------------------- the database

// `born` is not in the table: it tells which registration made the row, to recognise an owner whose row is gone.
typedef lane_row { bool exists; byte turn, born };
#define NO_ROW 0   // of `queue`: the task is over, or not made yet; else its owner's lane or
#define FREE 255

typedef database {
    lane_row lane[LANES + 1];
    byte queue, tasks, successes;  // the task's row in the queue; tasks made; successes recorded
    byte given;                    // the sequence of lane ids
};
database db;
#ifdef FAILOVER
database old;       // what the standby has
bool gone_back;
#endif
byte births, ids_left = LANES;  // registrations of all times; how many more there is room for

// A turn at the server. 0 and 1 are those of the engines, 2 and 3 those without listener.
typedef transaction {
    mtype state, kind;
    byte lane, turn, born;
    byte dead, stranded;   // TAKEOVER: the lane that it deletes; the lane of a stranded task
    bool got;              // CLAIM: it takes the task
    bool stalled;          // its client was stopped in the middle of sending
#ifdef STALE_SWEEP
    byte seen;             // TAKEOVER: bits of the lanes that it saw
#endif
};
transaction txn[4];
byte lane_lock[LANES + 1], task_lock;  // transaction + 1

typedef memory {
    byte lane, turn, born;  // lane 0: none
    bool owns, began;       // the task; its step, durably
    bool wants;             // a submission waits for its answer
};
memory mem[2];
bool asleep[2];            // for ever
bool accepted;              // a success was reported to its worker
byte crashes = CRASHES, losses = LOSSES, expires = EXPIRES, stalls = STALLS;

hidden byte i, to;  // of steps that nothing interrupts

#define OVER (db.queue == NO_ROW && db.successes == 1)
#ifdef FAILOVER
#define ENDED (OVER && gone_back)  // nothing makes it undone any more
#else
#define ENDED OVER
#endif
#define OWNED (db.queue != NO_ROW && db.queue != FREE)
#define STRANDED_TASK (OWNED && !db.lane[db.queue].exists)
#define HELD(l) ((!asleep[0] && mem[0].lane == l) || (!asleep[1] && mem[1].lane == l))

#ifdef LIVE
#define LEASE_ENDED(l) (!HELD(l) || expires > 0)
#else
#define LEASE_ENDED(l) true
#endif

#ifdef PLAIN_FENCE
#define UNLOCKED(l) true
#else
#define UNLOCKED(l) (lane_lock[l] == 0)
#endif
#ifdef NO_NUMBER
#define FENCE_HITS(t) db.lane[txn[t].lane].exists
#else
#define FENCE_HITS(t) (db.lane[txn[t].lane].exists && db.lane[txn[t].lane].turn + 1 == txn[t].turn)
#endif

// ------------------------------------------------------------------------------------------------------ the server

// Everything of a transaction but its state is forgotten, and its locks are released.
inline end_transaction(t, how)
{
    for (i : 1 .. LANES) {
        if
        :: lane_lock[i] == t + 1 -> lane_lock[i] = 0
        :: else
        fi
    }
    if
    :: task_lock == t + 1 -> task_lock = 0
    :: else
    fi;
    txn[t].state = how; txn[t].kind = 0; txn[t].lane = 0; txn[t].turn = 0; txn[t].born = 0; txn[t].dead = 0;
    txn[t].stranded = 0; txn[t].got = 0; txn[t].stalled = 0;
#ifdef STALE_SWEEP
    txn[t].seen = 0;
#endif
    i = 0
}

// The statements after the fence. A takeover deletes one lane (more of them are more turns), unless its row is locked.
inline work(t)
{
#ifndef PLAIN_FENCE
    lane_lock[txn[t].lane] = t + 1;
#endif
    if
    :: txn[t].kind == CLAIM && task_lock == 0 && db.queue == FREE -> txn[t].got = true; task_lock = t + 1
    :: txn[t].kind == TAKEOVER ->
#ifdef STALE_SWEEP
        for (i : 1 .. LANES) {
            if
            :: db.lane[i].exists -> txn[t].seen = txn[t].seen | (1 << i)
            :: else
            fi
        }
#endif
        if
        :: STRANDED_TASK -> txn[t].stranded = db.queue
        :: else
        fi;
        i = txn[t].dead;
        if
        :: i != 0 && db.lane[i].exists && lane_lock[i] == 0 && LEASE_ENDED(i) ->
            lane_lock[i] = t + 1;
#ifdef LIVE
            if
            :: HELD(i) -> expires--
            :: else
            fi
#endif
        :: else -> txn[t].dead = 0
        fi
    :: else
    fi;
    txn[t].state = OPEN;
    i = 0
}

#ifdef STALE_SWEEP
#define SWEEPS(t) (txn[t].stranded != 0 && OWNED && !(txn[t].seen & (1 << db.queue)))
#else
#define SWEEPS(t) (txn[t].stranded != 0 && db.queue == txn[t].stranded)
#endif

inline delete_lane(l)
{
    db.lane[l].exists = false; db.lane[l].turn = 0; db.lane[l].born = 0
}

inline free_task_of(l)
{
    if
    :: db.queue == l -> db.queue = FREE
    :: else
    fi
}

// The assertions are the safety of the protocol.
#define me txn[t].lane
inline commit(t)
{
    assert(db.lane[me].exists && db.lane[me].born == txn[t].born);  // whose row is deleted writes nothing
    assert(db.lane[me].turn + 1 == txn[t].turn);                    // no turn is applied twice
    db.lane[me].turn = txn[t].turn;
    if
    :: txn[t].kind == CREATE ->
        assert(db.tasks == 0);                                      // one submission, one task
        db.tasks = 1;
        db.queue = me
    :: txn[t].kind == CLAIM && txn[t].got -> db.queue = me
    :: txn[t].kind == TAKEOVER ->
        i = txn[t].dead;
        if
        :: i != 0 ->
            free_task_of(i);
#ifndef KEEP_ROW
            delete_lane(i)
#endif
        :: i == 0 && SWEEPS(t) -> db.queue = FREE
        :: else
        fi
    :: txn[t].kind == START ->
        assert(db.queue == me && db.successes == 0)   // only the owner writes; nothing runs after success
    :: txn[t].kind == FINISH ->
        assert(db.queue == me && db.successes == 0);
        db.successes = 1;
        db.queue = NO_ROW
    :: txn[t].kind == RETIRE -> i = me; free_task_of(i); delete_lane(i)
    :: txn[t].kind == SETTLE -> db.lane[me].turn++  // two further than it was
    :: else
    fi;
    end_transaction(t, NONE)
}

// Row locks wait for their holder; who waits for a lane's own row waits for its end.
#define READY_TO_COMMIT(t) (txn[t].state == OPEN && !txn[t].stalled)
#ifdef NEW_IDENTITY
#define KNOWN_TASK(t) false
#else
#define KNOWN_TASK(t) (txn[t].kind == CREATE && db.tasks > 0)  // the unique rule on a task's identity
#endif

// A server process whose client is gone: goes on, or notices and rolls back.
proctype backend(byte t)
{
end:
    do
    :: atomic { txn[t].state == SENT && UNLOCKED(txn[t].lane) ->
        if
        :: !FENCE_HITS(t) || KNOWN_TASK(t) -> end_transaction(t, NONE)
        :: else -> work(t)
        fi }
    :: atomic { READY_TO_COMMIT(t) -> commit(t) }
    :: atomic { txn[t].state != NONE -> end_transaction(t, NONE) }
    od
}

// ------------------------------------------------------------------------------------------------------ an engine

// Nobody listens to the engine's transaction any more: it moves to a place of its own.
#define SPARE (txn[2].state == NONE || txn[3].state == NONE)
inline leave(e)
{
    i = (txn[2].state == NONE -> 2 : 3);
    txn[i].state = txn[e].state; txn[i].kind = txn[e].kind; txn[i].lane = txn[e].lane; txn[i].turn = txn[e].turn;
    txn[i].born = txn[e].born; txn[i].dead = txn[e].dead; txn[i].stranded = txn[e].stranded; txn[i].got = txn[e].got;
#ifdef STALE_SWEEP
    txn[i].seen = txn[e].seen;
#endif
    to = i;
    for (i : 1 .. LANES) {
        if
        :: lane_lock[i] == e + 1 -> lane_lock[i] = to + 1
        :: else
        fi
    }
    if
    :: task_lock == e + 1 -> task_lock = to + 1
    :: else
    fi;
    to = 0;
    end_transaction(e, NONE)
}

inline forget()
{
    mem[e].lane = 0; mem[e].turn = 0; mem[e].born = 0; mem[e].owns = false; mem[e].began = false
}

inline next_turn()
{
    kind = 0; victim = 0; unknown = false
}

#define CAN_END(l) (!OVER && l != mem[e].lane && db.lane[l].exists && lane_lock[l] == 0 && LEASE_ENDED(l))

// The row stands and has the number of the turn under way: that turn, and no other, was committed.
#define OWN_TURN_IS_THERE(e) (db.lane[mem[e].lane].exists && db.lane[mem[e].lane].born == mem[e].born && \
    db.lane[mem[e].lane].turn == mem[e].turn + 1)

proctype owner(byte e)
{
    mtype kind;
    byte victim;     // of TAKEOVER: a lane whose lease has ended
    bool dies;
    bool unknown;    // the outcome of this turn was unknown once

fresh:  // no lane: a row of its own, under an id that nobody ever had
    atomic {
        if
        :: ENDED || ids_left == 0 -> goto done  // ids_left is the model's end, not the protocol's
        :: !OVER && ids_left > 0 -> ids_left--
        fi;
#ifdef REUSE_IDS
        i = 1;
        do
        :: i < LANES && db.lane[i].exists -> i++
        :: else -> break
        od;
        db.given = i;
#else
        db.given++;
#endif
        births++;
        i = db.given;
        db.lane[i].exists = true; db.lane[i].turn = 0; db.lane[i].born = births;
        if
        :: mem[e].lane = i; mem[e].born = births; i = 0
        :: losses > 0 -> losses--; i = 0; goto fresh  // it does not hear of it; that row owns nothing, and ends
        fi
    }

end_ready:  // idle unless there is something to do
    atomic {
        if
        :: mem[e].wants -> kind = CREATE
        :: db.queue == FREE && task_lock == 0 && !mem[e].owns -> kind = CLAIM
#ifdef EAGER
        :: mem[e].owns && !mem[e].began -> kind = START
        :: mem[e].owns && mem[e].began -> kind = FINISH
#else
        :: mem[e].owns -> kind = FINISH
#endif
#ifdef STOPS
        :: true -> kind = RETIRE
#endif
#ifndef NO_TAKEOVER
        :: CAN_END(1) -> kind = TAKEOVER; victim = 1
        :: CAN_END(2) -> kind = TAKEOVER; victim = 2
        :: CAN_END(3) -> kind = TAKEOVER; victim = 3
#if LANES > 3
        :: CAN_END(4) -> kind = TAKEOVER; victim = 4
#endif
#if LANES > 4
        :: CAN_END(5) -> kind = TAKEOVER; victim = 5
#endif
        :: STRANDED_TASK -> kind = TAKEOVER
#endif
#ifdef LIVE
        :: !db.lane[mem[e].lane].exists || db.lane[mem[e].lane].turn != mem[e].turn ->
            kind = BEAT  // the other heartbeats change nothing
#endif
#ifndef NO_TERMINATE
        :: txn[e ^ 1].stalled -> end_transaction(e ^ 1, NONE); goto end_ready
#endif
        :: crashes > 0 -> crashes--; goto crash
        :: ENDED && !mem[e].owns && !mem[e].wants -> goto done
        fi
    }

send:
    atomic {
        UNLOCKED(mem[e].lane);
        txn[e].kind = kind; txn[e].lane = mem[e].lane; txn[e].turn = mem[e].turn + 1; txn[e].born = mem[e].born;
        txn[e].dead = victim;
        if
        :: FENCE_HITS(e) && !KNOWN_TASK(e) -> work(e)
        :: !FENCE_HITS(e) -> end_transaction(e, NONE); goto fenced
        :: FENCE_HITS(e) && KNOWN_TASK(e) ->  // it is there already
            end_transaction(e, NONE); mem[e].wants = false; next_turn(); goto end_ready
#ifdef REFUSES
        :: FENCE_HITS(e) -> end_transaction(e, NONE); next_turn(); goto end_ready
#endif
#ifdef LATE
        :: losses > 0 -> losses--; txn[e].state = SENT; goto gone
        :: crashes > 0 -> crashes--; dies = true; txn[e].state = SENT; goto gone
#endif
        fi
    }

    atomic {
        if
        :: READY_TO_COMMIT(e) -> commit(e);
            if
            :: goto committed
            :: losses > 0 -> losses--; goto ask  // only the answer is lost
            fi
        :: READY_TO_COMMIT(e) && losses > 0 -> losses--; goto gone
        :: READY_TO_COMMIT(e) && crashes > 0 -> crashes--; dies = true; goto gone
        :: READY_TO_COMMIT(e) && stalls > 0 -> stalls--; txn[e].stalled = true; asleep[e] = true; goto done
        :: txn[e].state == BROKEN -> txn[e].state = NONE; goto ask
        fi
    }

gone:
    atomic {
        SPARE;
        leave(e);
        if
        :: dies -> goto crash
        :: else -> goto ask
        fi
    }

committed:
    atomic {
        mem[e].turn++;
        if
        :: kind == CREATE -> mem[e].wants = false; mem[e].owns = true
        :: kind == CLAIM && !unknown && db.queue == mem[e].lane -> mem[e].owns = true
        :: kind == START -> mem[e].began = true
        :: kind == FINISH ->
#ifndef FAILOVER
            assert(!accepted);  // a success is accepted once
#endif
            accepted = true;
            mem[e].owns = false;
            mem[e].began = false
        :: kind == RETIRE -> forget(); next_turn(); goto fresh
        :: kind == CLAIM && unknown -> next_turn(); goto unheard
        :: else
        fi;
        next_turn();
        goto end_ready
    }

unheard:  // what it took is not known: the rows tell, read without a lock between two turns
    atomic {
        mem[e].owns = (db.queue == mem[e].lane);
        goto end_ready
    }

fenced:
    atomic {
        assert(!OWN_TURN_IS_THERE(e));  // nobody is fenced by its own turn
        goto lost
    }

ask:
    unknown = true;

look:  // on a new connection, when nobody has the row locked any more; a turn that is not there never will be from now on
    atomic {
#ifndef PLAIN_RESOLVE
        UNLOCKED(mem[e].lane);
#endif
        if
        :: !db.lane[mem[e].lane].exists -> goto lost
        :: db.lane[mem[e].lane].exists && db.lane[mem[e].lane].turn == mem[e].turn + 1 -> goto committed
#ifdef NO_SETTLE
        :: db.lane[mem[e].lane].exists && db.lane[mem[e].lane].turn == mem[e].turn -> goto send
#else
        :: db.lane[mem[e].lane].exists && db.lane[mem[e].lane].turn == mem[e].turn ->
            if
            :: db.lane[mem[e].lane].turn = mem[e].turn + 2; goto look  // that it was settled may be heard, or found
#ifdef LATE
            :: losses > 0 && SPARE -> losses--; goto lose_settle
#endif
            fi
        :: db.lane[mem[e].lane].exists && db.lane[mem[e].lane].turn == mem[e].turn + 2 ->
            mem[e].turn = mem[e].turn + 2;
            unknown = false;
            goto send
#endif
        :: else -> goto lost
        fi
    }

#if !defined(NO_SETTLE) && defined(LATE)
lose_settle:  // it is on its way, too
    atomic {
        txn[e].state = SENT; txn[e].kind = SETTLE; txn[e].lane = mem[e].lane; txn[e].turn = mem[e].turn + 1;
        txn[e].born = mem[e].born;
        leave(e);
        goto look
    }
#endif

crash:
    atomic { dies = false; mem[e].wants = false }

lost:
    atomic { forget(); next_turn(); goto fresh }

done:
    skip
}

// ---------------------------------------------------------------------------------------------------------- the rest

// Never two owners that can both commit for the task.
#define CAN_COMMIT(e) (mem[e].owns && db.lane[mem[e].lane].exists && db.lane[mem[e].lane].born == mem[e].born && \
    db.lane[mem[e].lane].turn == mem[e].turn)
proctype monitor()
{
end:
    atomic { CAN_COMMIT(0) && CAN_COMMIT(1) -> assert(false) }
}

#ifdef FAILOVER
inline copy_database(to, from)
{
    for (i : 1 .. LANES) {
        to.lane[i].exists = from.lane[i].exists; to.lane[i].turn = from.lane[i].turn;
        to.lane[i].born = from.lane[i].born
    }
    to.queue = from.queue; to.successes = from.successes;
    i = 0
}

// A standby that has the state of some moment takes the place of the server at some later one.
proctype failover()
{
    atomic { copy_database(old, db); old.given = db.given };
    atomic {
        copy_database(db, old);
#ifdef IDS_GO_BACK
        db.given = old.given;
#endif
        if
        :: txn[0].state != NONE -> end_transaction(0, BROKEN)
        :: else
        fi;
        if
        :: txn[1].state != NONE -> end_transaction(1, BROKEN)
        :: else
        fi;
        end_transaction(2, NONE);
        end_transaction(3, NONE);
        for (i : 1 .. LANES) {
            old.lane[i].exists = false; old.lane[i].turn = 0; old.lane[i].born = 0
        }
        i = 0;
        old.queue = 0; old.successes = 0; old.given = 0;
        gone_back = true
    }
}
#endif

init
{
    atomic {
        for (i : 0 .. 3) {
            txn[i].state = NONE
        }
        i = 0;
#ifdef SUBMIT
        mem[0].wants = true;
#else
        db.tasks = 1;
        db.queue = FREE;
#endif
#ifdef STRANDED
        db.given = 1; births = 1; ids_left--;
        db.queue = 1;
#endif
        run backend(2); run backend(3);
        run owner(0); run owner(1);
#ifndef LIVE
        run monitor();
#endif
#ifdef FAILOVER
        run failover();
#endif
    }
}

#ifdef LIVE
ltl ends { <> ENDED }
#endif
