// SPDX-License-Identifier: MIT
// test_postgres.c - the storage contract on PostgreSQL, once more with foreign keys checked by us, and once more through a
// pooler in transaction mode when there is one. What only PostgreSQL has is in test_postgres_faults.c.
#include "postgres.h"

int main(void)
{
    int failed = contract_run(&postgres_backend);
    failed += contract_run(&keys_backend);
    if (getenv("TASKER_TEST_PGBOUNCER"))
        failed += contract_run(&pgbouncer_backend);
    return postgres_clean(failed);
}
