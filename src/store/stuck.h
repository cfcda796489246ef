// SPDX-License-Identifier: MIT
// stuck.h - PostgreSQL sessions that others wait for. Two kinds of them: those that have a lane's row locked, which engines
// end by themselves, and any other with an open transaction and locks in our tables, which `health` names.
//
// The first kind are sessions of processes that were stopped in the middle of a turn: the server waits for the rest of
// it, for ever, with the lane's row locked. They are found by the transaction that holds the row: its number is in the
// row's xmax, and everybody may see whose it is.
//
// A session that waits for something else (a lock, a disk, a standby that is to confirm a commit) is none of these: it
// goes on by itself, and to end it would make nothing better. Of another role's session we see neither what it waits for
// nor since when, unless we may read all statistics: then the lease of the row has to be over, twice.
//
// The second kind is found by its locks on our tables, which everybody may see as well. It is named when it has waited for
// its client for a while, or when it has rows of unfinished tasks, which wait for it (store.h, task_locked).
#ifndef STORE_STUCK_H
#define STORE_STUCK_H

// FROM: lanes l and the sessions s that are stuck with their rows. $1 is the time of the database.
#define STUCK_SESSIONS \
    "tasker_core_lanes l JOIN pg_stat_activity s ON s.backend_xid = l.xmax AND s.datname = current_database() AND " \
    "s.pid <> pg_backend_pid() AND CASE WHEN s.xact_start IS NULL THEN l.expires_at + l.lease_us < $1 ELSE " \
    "s.wait_event_type = 'Client' AND s.xact_start < clock_timestamp() - l.lease_us * 2 * interval '1 microsecond' END"

// Does the transaction of session s have the row x locked, or has it changed it?
#define HOLDS(x) x ".xmax = s.backend_xid"
// Or a row of the task? A turn on its way does, too, and is none of these: it has its lane's row.
#define HOLDS_TASK(id) \
    "(EXISTS (SELECT 1 FROM tasker_tasks t WHERE t.task_id = " id " AND " HOLDS("t") ") OR EXISTS (SELECT 1 FROM " \
    "tasker_core_active a WHERE a.task_id = " id " AND " HOLDS("a") ") OR EXISTS (SELECT 1 FROM tasker_task_transitions r " \
    "WHERE r.task_id = " id " AND " HOLDS("r") ") OR EXISTS (SELECT 1 FROM tasker_workflow_steps w WHERE w.task_id = " id \
    " AND (" HOLDS("w") " OR EXISTS (SELECT 1 FROM tasker_workflow_step_transitions q WHERE q.workflow_step_id = " \
    "w.workflow_step_id AND " HOLDS("q") "))))"
#define NO_TURN "NOT EXISTS (SELECT 1 FROM tasker_core_lanes l WHERE " HOLDS("l") ")"

// FROM: the sessions s that have rows of task $1.
#define TASK_HOLDERS \
    "pg_stat_activity s WHERE s.datname = current_database() AND s.pid <> pg_backend_pid() AND s.backend_xid IS NOT NULL " \
    "AND " NO_TURN " AND " HOLDS_TASK("$1")

// FROM: the other sessions s, with the tables `held.tables` in which they have locks, and the unfinished tasks of which they
// have rows, their number and the first few. $1 is the time of the database.
#define OTHER_SESSIONS_PATIENCE_US "5000000"
#define OTHER_SESSIONS \
    "pg_stat_activity s JOIN LATERAL (SELECT string_agg(DISTINCT c.relname, ', ' ORDER BY c.relname) AS tables FROM " \
    "pg_locks k JOIN pg_class c ON c.oid = k.relation WHERE k.pid = s.pid AND k.locktype = 'relation' AND k.granted AND " \
    "k.mode <> 'AccessShareLock' AND c.relkind = 'r' AND c.relname LIKE 'tasker\\_%') held ON held.tables IS NOT NULL " \
    "CROSS JOIN LATERAL (SELECT count(*) AS tasks, array_to_string((array_agg(o.task_id ORDER BY o.task_id))[1:3], ', ') " \
    "AS first FROM tasker_core_active o WHERE " HOLDS_TASK("o.task_id") ") waiting WHERE s.datname = current_database() AND " \
    "s.pid <> pg_backend_pid() AND " NO_TURN " AND CASE WHEN s.xact_start IS NULL THEN waiting.tasks > 0 ELSE (waiting.tasks " \
    "> 0 OR s.wait_event_type = 'Client') AND extract(epoch FROM s.xact_start) * 1000000 < $1 - " \
    OTHER_SESSIONS_PATIENCE_US " END"

// FROM: the commits, one row if any, that have waited longer than a working standby takes. $1 is the time of the database.
// Waits of other roles are seen only with pg_read_all_stats.
#define STANDBY_PATIENCE_US "2000000"
#define STANDBY_WAIT \
    "(SELECT count(*) AS commits, min(s.query_start) AT TIME ZONE 'UTC' AS since, current_setting('synchronous_standby_names') " \
    "AS standbys FROM pg_stat_activity s WHERE s.datname = current_database() AND s.wait_event = 'SyncRep' AND extract(epoch " \
    "FROM s.query_start) * 1000000 < $1 - " STANDBY_PATIENCE_US ") y WHERE y.commits > 0"

// May our role end the session s? Asked beforehand, because one that it may not would undo the whole statement.
#define STUCK_MAY_END \
    "((pg_has_role(s.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')) AND ((SELECT rolsuper FROM " \
    "pg_roles WHERE rolname = current_user) OR NOT (SELECT rolsuper FROM pg_roles WHERE oid = s.usesysid)))"

#endif
