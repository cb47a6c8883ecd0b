#!/usr/bin/env bash
# Holds the instructions that the CPU engine takes per slate against those in benches/instructions.tsv: a guard that is the same
# however busy the machine is. More than 3 % above is a failure; after a change that is meant to, store what is counted:
#
#     benches/instructions.sh            compares
#     benches/instructions.sh --record   stores
#
# Counted is the program as valgrind runs it, on x86-64 with AVX2, in single precision on one thread. Other compilers count
# otherwise: the table says which one counted. Needs valgrind, which is installed where apt can.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/packages.sh
source tests/packages.sh

table=benches/instructions.tsv
most_percent=3
# Code is chosen by what the processor has; valgrind knows these and nothing newer.
for feature in avx2 fma f16c bmi2; do
    if [ "$(uname -sm)" != "Linux x86_64" ] || ! grep -qw "$feature" /proc/cpuinfo; then
        echo "$0: not compared: the stored counts are of Linux on x86-64 with AVX2, FMA, F16C and BMI2" >&2
        exit 0
    fi
done
command -v valgrind >/dev/null || install_packages "install valgrind" valgrind

compiler=$(rustc --version)
# Of the lines of JSON, that of the bench; the program itself is built beside it.
program=$(cargo bench --locked --quiet --no-run --bench guard --message-format json |
    sed -n '/"name":"guard"/s/.*"executable":"\([^"]*\)".*/\1/p')
cases=$("$program" cases)

# Instructions of a case, all slates, inside the function that is counted alone.
count() {
    local said
    # The reference, which checks the answers, is not counted but runs under valgrind too.
    said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*counted_slates*' "$program" count "$1" 2>&1) ||
        { echo "$said" >&2; return 1; }
    awk '/ slates$/ { slates = $1 } /Collected/ { n = $NF } END { if (!slates || !n) exit 1; printf "%.3f", n / slates / 1e6 }' \
        <<<"$said" || { echo "$0: nothing was counted: $said" >&2; return 1; }
}

if [ "${1:-}" = --record ]; then
    {
        echo "# Million instructions per slate: N = 500, d = 256, T = 100; see instructions.sh. Counted with $compiler"
        for case in $cases; do printf '%s\t%s\n' "$case" "$(count "$case")"; done
    } >"$table.part"
    mv "$table.part" "$table"
    cat "$table"
    exit
fi

failed=0
stored_by=$(sed -n 's/.*Counted with //p' "$table")
printf '%-12s %10s %10s %8s   million instructions per slate\n' case stored counted change
for case in $cases; do
    stored=$(awk -F'\t' -v case="$case" '$1 == case { print $2 }' "$table")
    [ -n "$stored" ] || { echo "$0: $case is not in $table: run $0 --record" >&2; exit 1; }
    counted=$(count "$case")
    awk -v case="$case" -v stored="$stored" -v counted="$counted" -v most="$most_percent" 'BEGIN {
        change = 100 * (counted / stored - 1)
        word = change > most ? "MORE THAN STORED" : change < -most ? "less: store it" : ""
        printf "%-12s %10.3f %10.3f %+7.1f %%   %s\n", case, stored, counted, change, word
        exit change > most
    }' || failed=1
done
if [ "$failed" -ne 0 ]; then
    echo "$0: more instructions than stored. Is the change worth it? Then: $0 --record" >&2
    [ "$compiler" = "$stored_by" ] || echo "$0: stored with $stored_by, counted with $compiler: that may be all there is to it" >&2
    exit 1
fi
