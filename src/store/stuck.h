// SPDX-License-Identifier: MIT
// stuck.h - PostgreSQL sessions of processes that were stopped in the middle of a turn: the server waits for the rest of
// it, for ever, with the lane's row locked. They are found by the transaction that holds the row: its number is in the
// row's xmax, and everybody may see whose it is.
//
// A session that waits for something else (a lock, a disk, a standby that is to confirm a commit) is none of these: it
// goes on by itself, and to end it would make nothing better. Of another role's session we see neither what it waits for
// nor since when, unless we may read all statistics: then the lease of the row has to be over, twice.
#ifndef STORE_STUCK_H
#define STORE_STUCK_H

// FROM: lanes l and the sessions s that are stuck with their rows. $1 is the time of the database.
#define STUCK_SESSIONS \
    "tasker_core_lanes l JOIN pg_stat_activity s ON s.backend_xid = l.xmax AND s.datname = current_database() AND " \
    "s.pid <> pg_backend_pid() AND CASE WHEN s.xact_start IS NULL THEN l.expires_at + l.lease_us < $1 ELSE " \
    "s.wait_event_type = 'Client' AND s.xact_start < clock_timestamp() - l.lease_us * 2 * interval '1 microsecond' END"

// May our role end the session s? Asked beforehand, because one that it may not would undo the whole statement.
#define STUCK_MAY_END \
    "((pg_has_role(s.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')) AND ((SELECT rolsuper FROM " \
    "pg_roles WHERE rolname = current_user) OR NOT (SELECT rolsuper FROM pg_roles WHERE oid = s.usesysid)))"

#endif
