// SPDX-License-Identifier: MIT
// postgres_schema.h - the schema on PostgreSQL as texts of SQL, shared by the files that hold them and the migration.
#ifndef STORE_POSTGRES_SCHEMA_H
#define STORE_POSTGRES_SCHEMA_H

#define POSTGRES_RAILS_FUNCTIONS 9
struct postgres_function {
    const char *name, *text;
};

extern const char postgres_rails_tables[], postgres_dag_view[], postgres_core_tables[], postgres_core_functions[];
extern const struct postgres_function postgres_rails_functions[POSTGRES_RAILS_FUNCTIONS];
extern const char postgres_rails_indexes[];  // those that only the Rails engine has; IF NOT EXISTS

#endif
