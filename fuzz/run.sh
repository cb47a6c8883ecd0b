#!/usr/bin/env bash
# Fuzzes every reader in turn: run.sh [CPU minutes per target, default 1] [target ...]
#
# Corpora, finds and the log lie in target/fuzz/work (or $FUZZ_WORK) and are kept: a later run goes on from there, and
# counts the minutes of runs before. Needs Rust (stable will do) and a C++ compiler. $FUZZ_JOBS targets run at once (1).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

minutes=${1:-1}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(parquet npy safetensors pytorch arrow json_lines config cases)
work=${FUZZ_WORK:-$PWD/../target/fuzz/work}
jobs=${FUZZ_JOBS:-1}
slice_s=${FUZZ_SLICE_S:-180}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target/fuzz}

# Coverage of all that is linked, as cargo-fuzz asks for it. Without a sanitizer, which needs a nightly compiler and
# halves the speed: the readers are safe Rust, and what they allocate is counted by the targets themselves.
flags=(--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0)
host=$(rustc -vV | sed -n 's/^host: //p')
# With --target the flags go to what is linked in, not to build scripts.
RUSTFLAGS="${flags[*]}" cargo build --locked --release --target "$host"
programs=$CARGO_TARGET_DIR/$host/release

mkdir -p "$work"/{corpus,finds,output}
"$programs/seeds" "$work/seeds"
# Readers take paths: their inputs lie in memory where the system has a folder for that.
memory=/dev/shm
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}
TMPDIR=$(mktemp -d "$memory/spectrank-fuzz.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# One slice of one target: a line "target, runs, CPU seconds, edges" for the log.
slice() {
    local target=$1 seconds=$2 output=$work/output/$1.txt times
    mkdir -p "$work/corpus/$target" "$work/finds/$target"
    TIMEFORMAT='%U %S'
    times=$({ time "$programs/$target" "$work/corpus/$target" "$work/seeds/$target" "regressions/$target" \
        -dict="dictionaries/$target.dict" -artifact_prefix="$work/finds/$target/" -max_total_time="$seconds" \
        -timeout="${FUZZ_TIMEOUT_S:-30}" -rss_limit_mb=1024 -max_len=8192 -print_final_stats=1 >"$output" 2>&1; } 2>&1) ||
        echo "run.sh: $target found something: $work/finds/$target (the end of $output says what)" >&2
    awk -v target="$target" -v times="$times" '
        /number_of_executed_units/ { runs = $2 }
        match($0, / cov: [0-9]+/) { edges = substr($0, RSTART + 6, RLENGTH - 6) }
        END { split(times, t, " "); printf "%s %d %.1f %d\n", target, runs, t[1] + t[2], edges }' \
        "$output" >>"$work/log.txt"
}

# CPU seconds that a target still needs. One that has found something waits until that is fixed and its file removed.
missing() {
    touch "$work/log.txt"
    if [ -n "$(ls "$work/finds/$1" 2>/dev/null)" ]; then
        echo 0
        return
    fi
    awk -v target="$1" -v wanted="$(awk -v m="$minutes" 'BEGIN { print 60 * m }')" \
        '$1 == target { spent += $3 } END { printf "%d\n", wanted - spent }' "$work/log.txt"
}

for target in "${targets[@]}"; do
    mkdir -p "regressions/$target"
done
while :; do
    is_done=yes
    for target in "${targets[@]}"; do
        left=$(missing "$target")
        [ "$left" -gt 0 ] || continue
        is_done=no
        [ "$left" -lt "$slice_s" ] || left=$slice_s
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
        slice "$target" "$left" &
    done
    wait
    [ "$is_done" = no ] || break
done

awk 'BEGIN { printf "%-12s %12s %12s %10s %8s\n", "target", "runs", "CPU min", "runs/s", "edges" }
    { runs[$1] += $2; s[$1] += $3; edges[$1] = $4 }
    END { for (t in runs) printf "%-12s %12d %12.1f %10.0f %8d\n", t, runs[t], s[t] / 60, runs[t] / (s[t] + 1e-9), edges[t] }' \
    "$work/log.txt"
! find "$work/finds" -type f | grep .
