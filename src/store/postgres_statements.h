// SPDX-License-Identifier: MIT
// postgres_statements.h - every statement of the PostgreSQL backend that is sent more than once, in lists by the file
// that uses them: name and text. They are prepared when first used, except behind a pooler.
//
// A statement of a turn takes arrays, one element per row, and finds its rows by a primary key or a unique index.
#ifndef STORE_POSTGRES_STATEMENTS_H
#define STORE_POSTGRES_STATEMENTS_H

#define PG_TURN_STATEMENTS(X) X(BEGIN, "BEGIN") X(COMMIT, "COMMIT") X(ROLLBACK, "ROLLBACK") X(NOTIFY, "NOTIFY tasker_core")

#define PG_CHANGE_STATEMENTS(X)

#define PG_POLL_STATEMENTS(X)

#define PG_LOAD_STATEMENTS(X)

#define PG_TEMPLATE_STATEMENTS(X)

#define PG_STATEMENTS(X)    \
    PG_TURN_STATEMENTS(X)   \
    PG_CHANGE_STATEMENTS(X) \
    PG_POLL_STATEMENTS(X)   \
    PG_LOAD_STATEMENTS(X)   \
    PG_TEMPLATE_STATEMENTS(X)

enum pg_statement {
#define X(name, text) PG_##name,
    PG_STATEMENTS(X)
#undef X
        PG_COUNT
};

#endif
