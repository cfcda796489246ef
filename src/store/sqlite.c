// SPDX-License-Identifier: MIT
// sqlite.c - the SQLite connection: opening, waiting for locks, checkpoints, errors, and the table
// of operations.
//
// Write-ahead log, synchronous = FULL: a commit that was answered survives a power failure. Writers
// always BEGIN IMMEDIATE. Whoever meets a lock sleeps half a millisecond and tries again, always
// the same time: with growing waits a second process starves. After five seconds the turn is given
// back to be sent again.
//
// Checkpoints. SQLite before 3.51.3 can corrupt the log when a commit meets a checkpoint
// ("WAL-reset bug"), so nobody checkpoints by itself, and ours runs while a second connection holds
// the write lock: no commit can meet it. It waits for no reader beyond a moment: what a long reader
// still needs is moved the next time. (FULL mode takes the same lock, but falls back to running
// beside writers when it does not get it, and waits for readers while it holds it.)
#include "store/sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "store/backends.h"

#define LOCK_NAP_US 500
#define LOCK_PATIENCE_US (5 * US_PER_SECOND)
#define CHECKPOINT_PAGES 4000 // 16 MB of log: begin moving it
#define CHECKPOINT_AGAIN 500  // what a reader held back is tried again after so many pages
#define CHECKPOINT_WAIT_US (50 * US_PER_MS)
#define LOG_FILE_LIMIT "67108864" // a log file that grew beyond is cut when it starts anew

// ------------------------------------------------------------------------------------------ errors

static const struct {
    int rc, code;
} error_codes[] = {
    {SQLITE_BUSY, TASKER_E_BUSY},      {SQLITE_LOCKED, TASKER_E_BUSY},
    {SQLITE_NOMEM, TASKER_E_NOMEM},    {SQLITE_FULL, TASKER_E_IO},
    {SQLITE_IOERR, TASKER_E_IO},       {SQLITE_CANTOPEN, TASKER_E_IO},
    {SQLITE_READONLY, TASKER_E_IO},    {SQLITE_NOTADB, TASKER_E_IO},
    {SQLITE_CORRUPT, TASKER_E_IO},     {SQLITE_PERM, TASKER_E_IO},
    {SQLITE_AUTH, TASKER_E_IO},        {SQLITE_PROTOCOL, TASKER_E_BUSY},
    {SQLITE_TOOBIG, TASKER_E_TOO_BIG}, {SQLITE_CONSTRAINT, TASKER_E_CONFLICT},
};

int sqlite_fail(struct sqlite *s, int rc, const char *what, tasker_error *err)
{
    int code = TASKER_E_STORE;
    for (size_t i = 0; i < ARRAY_SIZE(error_codes); i++)
        if (error_codes[i].rc == (rc & 0xff))
            code = error_codes[i].code;
    // The connection's own words are more exact, when they are about this failure.
    const char *reason =
        sqlite3_extended_errcode(s->db) == rc ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    return err_set(err, code, "%s: %s (%s)", what, reason, s->path ? s->path : ":memory:");
}

// ------------------------------------------------------------------------------- waiting for locks

static void nap(void)
{
    struct timespec t = {0, LOCK_NAP_US * 1000};
    nanosleep(&t, NULL);
}

static int on_busy(void *user, int times)
{
    struct sqlite *s = user;
    int64_t now = clock_monotonic_us();
    if (times == 0)
        s->busy_since = now;
    if (now - s->busy_since > LOCK_PATIENCE_US || __atomic_load_n(&s->base.hurry, __ATOMIC_ACQUIRE) != HURRY_NOT)
        return 0;
    nap();
    return 1;
}

// Changing to the write-ahead log needs the file for itself and does not ask the busy handler.
static int exec_patiently(sqlite3 *db, const char *text)
{
    int64_t since = clock_monotonic_us();
    for (;;) {
        int rc = sqlite3_exec(db, text, NULL, NULL, NULL);
        if ((rc & 0xff) != SQLITE_BUSY || clock_monotonic_us() - since > LOCK_PATIENCE_US)
            return rc;
        nap();
    }
}

static int on_log_grown(void *user, sqlite3 *db, const char *schema, int pages)
{
    (void)db;
    (void)schema;
    struct sqlite *s = user;
    s->wal_pages = pages;
    if (pages < s->wal_tried) // it began anew
        s->wal_tried = 0;
    return SQLITE_OK;
}

// ---------------------------------------------------------------------------- network file systems

static const struct {
    uint64_t magic;
    const char *name;
} network_magics[] = {
    {0x6969, "NFS"},      {0x517B, "SMB"},        {0xFE534D42, "SMB"}, {0xFF534D42, "CIFS"},
    {0x01021997, "9p"},   {0x5346414F, "AFS"},    {0x6B414653, "AFS"}, {0x73757245, "Coda"},
    {0x00C36400, "Ceph"}, {0x0BD00BD0, "Lustre"}, {0x564C, "NCP"},     {0x7461636F, "OCFS2"},
    {0x01161970, "GFS2"}, {0x47504653, "GPFS"},
};

#define FUSE_MAGIC UINT64_C(0x65735546)

static const char *const network_fuse[] = {
    "sshfs",   "glusterfs", "ceph",     "s3fs",     "gcsfuse", "rclone",   "davfs",
    "juicefs", "goofys",    "mount-s3", "lizardfs", "moosefs", "curlftpfs"};

const char *sqlite_network_fs(uint64_t magic, const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(network_magics); i++)
        if (network_magics[i].magic == magic)
            return network_magics[i].name;
    if (magic != FUSE_MAGIC || strncmp(type, "fuse.", 5) != 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(network_fuse); i++)
        if (strncmp(type + 5, network_fuse[i], strlen(network_fuse[i])) == 0)
            return network_fuse[i];
    return NULL;
}

// The type of a mounted file system, from /proc/self/mountinfo: "36 35 98:0 /root /mnt opts - type
// source".
static void mount_type(dev_t device, char *out, size_t size)
{
    char line[4096], wanted[48];
    out[0] = '\0';
    (void)snprintf(wanted, sizeof(wanted), " %u:%u ", major(device), minor(device));
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        const char *type = strstr(line, wanted) ? strstr(line, " - ") : NULL;
        if (type)
            (void)snprintf(out, size, "%.*s", (int)strcspn(type + 3, " \n"), type + 3);
    }
    (void)fclose(f);
}

// Locks of a network file system are not the locks of this machine: two engines would write at
// once.
static int check_file_system(const char *path, tasker_error *err)
{
    CLEANUP(mem_freep) char *folder = mem_strdup(path);
    if (!folder)
        return err_nomem(err);
    char *slash = strrchr(folder, '/');
    slash[slash == folder] = '\0'; // "/name": the folder is "/"
    struct statfs fs;
    struct stat st;
    if (statfs(folder, &fs) != 0 || stat(folder, &st) != 0)
        return err_errno(err, TASKER_E_IO, errno, "the folder of %s can not be used", path);
    char type[64];
    mount_type(st.st_dev, type, sizeof(type));
    const char *name = sqlite_network_fs((uint64_t)(uint32_t)fs.f_type, type);
    if (!name)
        return 0;
    err_set(err, TASKER_E_IO,
            "%s is on a network file system (%s), where SQLite's locks are not safe", path, name);
    err_remedy(err, "put the database on a local disk");
    return TASKER_E_IO;
}

// ----------------------------------------------------------------------------------------- opening

#define PRAGMAS                                                                                    \
    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = OFF; "            \
    "PRAGMA cache_size = -65536; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; "               \
    "PRAGMA recursive_triggers = OFF; PRAGMA trusted_schema = OFF; "                               \
    "PRAGMA journal_size_limit = " LOG_FILE_LIMIT "; PRAGMA wal_autocheckpoint = 0"

// A file system without shared memory leaves the mode as it was, which is no error to SQLite but
// one to us.
static int check_mode(void *user, int columns, char **values, char **names)
{
    (void)user;
    (void)names;
    return columns == 1 && values[0] && strcmp(values[0], "wal") == 0 ? 0 : 1;
}

static int set_up(struct sqlite *s, bool read_only)
{
    int rc = sqlite3_busy_handler(s->db, on_busy, s);
    if (rc == SQLITE_OK && s->path && !read_only)
        rc = exec_patiently(s->db, "PRAGMA journal_mode = WAL");
    if (rc == SQLITE_OK && s->path)
        rc = sqlite3_exec(s->db, "PRAGMA journal_mode", check_mode, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = exec_patiently(s->db, PRAGMAS);
    if (rc == SQLITE_OK && read_only)
        rc = sqlite3_exec(s->db, "PRAGMA query_only = ON", NULL, NULL, NULL);
    sqlite3_wal_hook(s->db, on_log_grown, s);
    return rc;
}

static void sqlite_close(struct store *base)
{
    struct sqlite *s = sqlite_of(base);
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->guard);
    sqlite3_close(s->db);
    mem_free(s->path);
    mem_free(s->host);
    mem_free(s->boot_id);
    mem_free(s);
}

static int open_file(const char *path, int flags, sqlite3 **ret)
{
    return sqlite3_open_v2(path ? path : ":memory:", ret,
                           flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
}

static int open_connection(struct sqlite *s, const struct store_options *o, tasker_error *err)
{
    int code = s->path ? check_file_system(s->path, err) : 0;
    if (code != 0)
        return code;
    int flags = SQLITE_OPEN_READWRITE | (o->migrate && !o->read_only ? SQLITE_OPEN_CREATE : 0);
    int rc = open_file(s->path, flags, &s->db);
    if (!s->db)
        return err_nomem(err);
    if (rc == SQLITE_OK)
        rc = set_up(s, o->read_only);
    if (rc != SQLITE_OK)
        return sqlite_fail(s, rc, "the database can not be opened", err);
    return o->any_version ? 0 : sqlite_schema_ready(s, o->migrate && !o->read_only, err);
}

static const struct store_ops sqlite_ops;

int sqlite_open(const char *place, const struct store_options *options, struct store **ret,
                tasker_error *err)
{
    bool memory = strcmp(place, ":memory:") == 0;
    if (place[0] == '\0')
        return err_set(err, TASKER_E_INVALID,
                       "a sqlite: URI names a file, as in \"sqlite:tasks.db\"");
    if (memory && options->read_only)
        return err_set(err, TASKER_E_INVALID, "a database in memory has one connection only");
    struct sqlite *s = mem_alloc(sizeof(*s));
    if (!s)
        return err_nomem(err);
    s->base.ops = &sqlite_ops;
    s->base.single_writer = true;
    s->base.shared = memory;
    s->text_second = INT64_MIN;
    s->host = mem_strdup(options->host ? options->host : "");
    s->boot_id = mem_strdup(options->boot_id ? options->boot_id : "");
    if (!memory) {
        // "./" keeps SQLite from giving names like "file:x" a meaning of their own.
        size_t size = strlen(place) + 3;
        s->path = mem_alloc(size);
        if (s->path)
            (void)snprintf(s->path, size, "%s%s", place[0] == '/' ? "" : "./", place);
    }
    int code = s->host && s->boot_id && (memory || s->path) ? open_connection(s, options, err)
                                                            : err_nomem(err);
    if (code != 0) {
        sqlite_close(&s->base);
        return code;
    }
    *ret = &s->base;
    return 0;
}

// ------------------------------------------------------------------------------------ transactions

static int plain(struct sqlite *s, enum sqlite_statement id)
{
    struct sql q;
    sql_start(&q, s, id);
    return sql_run(&q);
}

int sqlite_read_begin(struct sqlite *s, tasker_error *err)
{
    int rc = plain(s, SQL_BEGIN_READ);
    return rc == SQLITE_OK ? 0 : sqlite_fail(s, rc, "the database could not be read", err);
}

void sqlite_rollback(struct sqlite *s)
{
    // A failure has often rolled back already; what is left has no way to fail that matters.
    if (!sqlite3_get_autocommit(s->db) && plain(s, SQL_ROLLBACK) != SQLITE_OK)
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

void sqlite_read_end(struct sqlite *s)
{
    if (sqlite3_get_autocommit(s->db) || plain(s, SQL_COMMIT) != SQLITE_OK)
        sqlite_rollback(s);
}

static bool sqlite_changed(struct store *base)
{
    struct sqlite *s = sqlite_of(base);
    int64_t version = 0;
    if (sql_one_int(s, SQL_DATA_VERSION, 0, 0, &version) != SQLITE_OK)
        return true;
    bool changed = s->data_version == 0 || version != s->data_version;
    s->data_version = version;
    return changed;
}

static const char *sqlite_database_id(struct store *base)
{
    return sqlite_of(base)->database_id;
}

// ------------------------------------------------------------------------------------- checkpoints

static int open_guard(struct sqlite *s)
{
    if (s->guard)
        return SQLITE_OK;
    int rc = open_file(s->path, SQLITE_OPEN_READWRITE, &s->guard);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_handler(s->guard, on_busy, s);
    if (rc == SQLITE_OK)
        rc = exec_patiently(s->guard, "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 16");
    if (rc != SQLITE_OK) {
        sqlite3_close(s->guard);
        s->guard = NULL;
    }
    return rc;
}

// Moves what no reader needs any more; readers are short, so a moment of waiting is often enough
// for all of it.
static int move_log(struct sqlite *s)
{
    int64_t until = clock_monotonic_us() + CHECKPOINT_WAIT_US;
    for (;;) {
        int in_log = 0, moved = 0;
        int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
        bool more = (rc & 0xff) == SQLITE_BUSY || (rc == SQLITE_OK && moved < in_log);
        if (!more)
            return rc;
        if (clock_monotonic_us() > until)
            return SQLITE_OK;
        nap();
    }
}

static int sqlite_checkpoint(struct store *base, tasker_error *err)
{
    struct sqlite *s = sqlite_of(base);
    bool due = s->wal_pages > CHECKPOINT_PAGES && s->wal_pages >= s->wal_tried + CHECKPOINT_AGAIN;
    if (!s->path || !due)
        return 0;
    int rc = open_guard(s);
    if (rc != SQLITE_OK)
        return sqlite_fail(s, rc, "no second connection for a checkpoint", err);
    rc = sqlite3_exec(s->guard, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if ((rc & 0xff) == SQLITE_BUSY)
        return 0; // a writer that takes its time; the log can wait
    if (rc == SQLITE_OK) {
        s->wal_tried = s->wal_pages;
        rc = move_log(s);
    }
    if (!sqlite3_get_autocommit(s->guard))
        (void)sqlite3_exec(s->guard, "ROLLBACK", NULL, NULL, NULL);
    return rc == SQLITE_OK
               ? 0
               : sqlite_fail(s, rc, "the log could not be moved into the database", err);
}

static int64_t sqlite_now(struct store *base)
{
    (void)base;
    return clock_real_us();
}

// Others see by data_version that something was written.
static void sqlite_hint(struct store *base)
{
    (void)base;
}

static const struct store_ops sqlite_ops = {
    .close = sqlite_close,
    .commit = sqlite_commit,
    .resolve = sqlite_resolve,
    .poll = sqlite_poll,
    .holdings = sqlite_holdings,
    .now = sqlite_now,
    .changed = sqlite_changed,
    .hint = sqlite_hint,
    .load_task = sqlite_load_task,
    .load_offer = sqlite_load_offer,
    .step_result = sqlite_step_result,
    .register_template = sqlite_register_template,
    .load_template = sqlite_load_template,
    .checkpoint = sqlite_checkpoint,
    .query = sqlite_query,
    .operate = sqlite_operate,
    .database_id = sqlite_database_id,
    .migrate = sqlite_migrate,
};
