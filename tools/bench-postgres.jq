# SPDX-License-Identifier: MIT
# bench-postgres.jq - the tables of docs/benchmark-postgresql.md, from a result of tools/bench-postgres. A part that was
# not measured has no table.

def median: sort | .[length / 2 | floor];
def digits($d): . * pow(10; $d) | round / pow(10; $d);
# 12345 as 12,345
def thousands: round | tostring | [while(length > 0; .[:-3])] | reverse | map(.[-3:]) | join(",");
def percent: "\(. * 100 | round) %";
def row: "| " + (map(tostring) | join(" | ")) + " |";
def table($head): ($head | row), ($head | map("---") | row), (.[] | row), "";

def rows:
    "**Rows.** The same number in every table, and the same steps and transitions, in \(map(.) | join(", ")).", "";

# One line per workload: rate of both and their ratio, with one lane and with two.
def burst($lanes): map(select(.lanes == $lanes)) |
    {engine: (map(.engine.steps_per_s) | median), limit: (map(.limit.steps_per_s) | median),
     ratio: (map(.engine.steps_per_s / .limit.steps_per_s) | median)};
def throughput:
    ([group_by(.engine.workload)[] | select(.[0].engine.workload != "W5") | . as $runs |
        [.[0].engine.workload] + ([1, 2] | map(. as $lanes | $runs | burst($lanes) |
            [(.engine | thousands), (.limit | thousands), (.ratio | percent)]) | add)] |
        table(["", "1 lane, steps/s", "libpq alone", "of it", "2 lanes, steps/s", "libpq alone", "of it"]));
def keys($how): map(select((.keys // "row") == $how));
def rounds:
    "**Throughput.**", "", (keys("row") | throughput),
    (keys("turn") | select(length > 0) | "**Throughput, foreign keys checked once a turn** by the engine, and not at all for libpq " +
        "alone.", "", throughput),
    "**Latency (W5).**", "",
    (map(select(.engine.workload == "W5")) |
        def line($how; $who; $name): keys($how) | select(length > 0) |
            [$name, (map(.[$who].p50_ms) | median | digits(2)), (map(.[$who].p99_ms) | median | digits(2))];
        [line("row"; "engine"; "engine"), line("row"; "limit"; "libpq alone"),
         line("turn"; "engine"; "engine, keys once a turn"), line("turn"; "limit"; "libpq alone, no keys")] |
        table(["a chain of four, five commits", "p50, ms", "p99, ms"])),
    (map(select(.engine.workload == "W5")) | keys("row") |
        "The engine's p50 is \(map(.engine.p50_ms / .limit.p50_ms) | median | digits(2)) times that of libpq alone, and " +
        "\(map(.engine.p50_ms / (5 * .limit.bare_commit_ms)) | median | digits(2)) times five bare commits of " +
        "\(map(.limit.bare_commit_ms) | median | digits(3)) ms. A durable write of 4 KiB takes " +
        "\(map(.fsync_ms) | median | digits(3)) ms."), "";

def work:
    "**Processor time per step**, W2, microseconds.", "",
    ([group_by(.who)[] | [(if .[0].who == "engine" then "engine" else "libpq alone" end),
        (map(.client_us) | median | digits(1)), (map(.server_us) | median | digits(1))]] |
        table(["", "in the program", "in the server"]));

# The same server, the same round: a peer's rate or time, and how many times as fast the engine was.
def names: {pg_boss: "pg-boss, workers", pg_boss_by_hand: "pg-boss, by hand", graphile: "graphile-worker", dbos: "DBOS Transact"};
def times: "\(digits(1)) x";
def figure: .steps_per_s // .p50_ms;
def times_of($e): if .p50_ms and .steps_per_s == null then .p50_ms / $e.p50_ms else $e.steps_per_s / .steps_per_s end;
# The peer, and in parentheses the engine as it is, and with foreign keys once a turn.
def beside($who): group_by(.round) |
    [.[] | . as $round | map(select(.who == $who))[0] | select(.) | . as $p |
        {figure: figure, times: [$round[] | select(.who | startswith("engine")) | . as $e | {who, times: ($p | times_of($e))}]}] |
    if length == 0 then "-" else
        "\(map(.figure) | median | if . < 100 then digits(2) else thousands end) (" +
        ([map(.times[]) | group_by(.who)[] | map(.times) | median | times] | join(", ")) + ")" end;
def own($who): map(select(.who == $who)) | if .[0].workload == "W5" then map(.p50_ms) | median | digits(2) else map(.steps_per_s) | median | thousands end;
def peers:
    (map(.who) | unique | map(select(startswith("engine")))) as $engines |
    "**Peers.** Steps per second, of W5 the p50 in ms; in parentheses how many times as fast the engine was in the same round" +
        (if $engines[1] then ", as it is and with foreign keys once a turn" else "" end) + ".", "",
    ([group_by(.workload)[] | . as $lines | [.[0].workload] + ($engines | map(. as $who | $lines | own($who))) +
        [names | keys_unsorted[] | . as $who | $lines | beside($who)]] |
        table(["", "tasker, 2 lanes"] + ($engines[1:] | map("keys once a turn")) + [names[]])),
    (map(select(.package)) | map("\(.package) \(.version)") | unique | join(", ")), "";

def history:
    "**History.** W2 with two lanes, and W5, in front of a past.", "",
    (.[0] as $first | map([(.tasks | thousands), "\(.mb | thousands) MB", (.steps_per_s | thousands),
        ($first.steps_per_s / .steps_per_s | digits(2)), (.p50_ms | digits(2)), (.p50_ms / $first.p50_ms | digits(2))]) |
        table(["finished tasks", "database", "W2, steps/s", "cost of a step", "W5, p50 ms", "of the first"]));

# Ours and, when they were measured, the Rails engine's; what did not end in ten seconds has no figure.
def ours_and_rails($with): (.ours | digits(2) | tostring) + if $with then " (\(.rails | if . then digits(2) else "> 10,000" end))" else "" end;
def functions:
    any(.[]; (.readiness // .health).rails) as $with |
    "**Functions of the schema**, ms in the server, with 10,000 finished tasks" +
    (if $with then ", and those of the Rails engine in parentheses" else "" end) +
    "; and what the model in memory takes from a finished step to knowing what is ready.", "",
    (map(select(.shape)) | map(["\(.shape), \(.steps | thousands) steps", (.readiness | ours_and_rails($with)),
        (.levels | ours_and_rails($with)), (.memory_us | digits(2)),
        "\(.readiness.ours * 1000 / .memory_us | thousands) x" +
            if $with then " (\(.readiness.rails * 1000 / .memory_us | thousands) x)" else "" end]) |
        table(["", "readiness, ms", "levels, ms", "in memory, us", "faster than the readiness function"])),
    "Health counts: \(map(select(.health)) | .[0].health | ours_and_rails($with)) ms.", "";

def claims:
    "**Claims.** \(.[0].tasks | thousands) waiting tasks, four processes: \(map(.tasks / .seconds) | median | thousands) tasks/s, " +
    "\(map(.starts - .tasks) | add) claimed twice, \(map(.tasks - .complete) | add) left; the least that one process got was " +
    "\(map(.each[0]) | min | thousands), the most \(map(.each[-1]) | max | thousands).", "";

def at_once: map((.each | add) / .alone) | median | digits(2);
def processes:
    "**Processes.** One process on its database, one lane: \(map(.alone) | median | thousands) steps/s; two on two databases at " +
    "once: \(map(.each | add) | median | thousands), \(at_once) times as much. libpq alone, with one connection each: " +
    "\(map(.limit.alone) | median | thousands) and \(map(.limit.each | add) | median | thousands), " +
    "\(map(.limit) | at_once) times as much.", "";

def idle:
    .[0] | "**Idle.** \(.transactions_per_s | digits(2)) transactions a second, \(.transaction_ids) transaction ids in 20 seconds.", "";

. as $result |
"tasker \(.version), PostgreSQL \(.settings.server_version), \(.kernel), \(.processors) x \(.processor), \(.memory_gb) GB, " +
    "\(.file_system), \(.date), medians of \(.runs) rounds, load \(.load)",
(.settings | del(.server_version) | to_entries | map("\(.key)=\(.value)") | join(", ")),
"",
(select(.rows) | .rows | rows),
(select(.rounds) | .rounds | rounds),
(select(.work) | .work | work),
(select(.peers) | .peers | peers),
(select(.history) | .history | history),
(select(.functions) | .functions | functions),
(select(.claims) | .claims | claims),
(select(.processes) | .processes | processes),
(select(.idle) | .idle | idle)
