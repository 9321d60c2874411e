#!/usr/bin/env bash
# Runs the fuzz targets: run.sh [SECONDS [TARGET...]]. Each runs for so many seconds (60 if not said), from the seeds,
# what was found before (regressions/), and what earlier runs have grown (corpus/). Ends with a line a target, and with
# an error if there is a finding, whose input is then in artifacts/. Needs Rust, a C++ compiler, and python3 for the
# second reader of archives.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
seconds=${1:-60}
shift $(($# > 0))
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(basename -a -s .rs fuzz_targets/*.rs)
corpora=../../shared/corpus
host=x86_64-unknown-linux-gnu
build=${CARGO_TARGET_DIR:-$(cd .. && pwd)/target/fuzz}
# As many at once as there are processors.
at_once=$(nproc)

# What `cargo fuzz build -s none` does, without the tool: libFuzzer's coverage needs LLVM's pass, and no nightly.
# Only what is built for a named target is instrumented: build scripts run as they are.
export CARGO_TARGET_DIR=$build
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
cargo build --quiet --locked --target "$host"

# The words that the parsers know, from the code itself, and the signatures of archives.
words() {
    grep -rhoE '"[A-Za-z0-9_./:@-]{2,40}"' "$@" | sort -u
}

dictionary() {
    case $1 in
        directory | archive*)
            printf '"PK\\x%s"\n' '03\x04' '01\x02' '05\x06' '06\x06' '06\x07' '07\x08'
            printf '"%s"\n' '\xff\xff\xff\xff' '\xff\xff' '\x01\x00\x10\x00' '\x75\x70' 'PK00' './' 'BZh9' 'mimetype' '[Content_Types].xml'
            ;;
        *) words ../shared/*/src ../simulator/src ../events ;;
    esac
}

seeds() {
    case $1 in
        directory | archive) [[ -d $corpora/zip ]] && echo "$corpora/zip" ;;
        events) echo ../events ;;
    esac
    local folder
    for folder in "seeds/$1" "regressions/$1"; do
        if [[ -d $folder ]]; then echo "$folder"; fi
    done
}

# No call leaves the process: one certificate is enough to trust, and reading all of them is most of a client's cost.
one_certificate() {
    local all=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
    [[ -r $all ]] || return 0
    export SSL_CERT_DIR=$build/runs/certificates SSL_CERT_FILE=$build/runs/certificates/one.pem
    mkdir -p "$SSL_CERT_DIR"
    sed '/END CERTIFICATE/q' "$all" > "$SSL_CERT_FILE"
}

fuzz() {
    local target=$1 folders
    mkdir -p "corpus/$target" "artifacts/$target"
    dictionary "$target" > "$build/runs/$target.dict"
    mapfile -t folders < <(seeds "$target")
    "$build/$host/debug/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
        -dict="$build/runs/$target.dict" -artifact_prefix="artifacts/$target/" -print_final_stats=1 \
        "corpus/$target" ${folders[@]+"${folders[@]}"} > "$build/runs/$target.log" 2>&1
}

# What this reader accepts, another one that shares no code with it reads alike.
second_reader() {
    local accepted=$build/runs/accepted target folders
    rm -rf "$accepted"
    mkdir -p "$accepted"
    for target in archive archive_structured; do
        mkdir -p "corpus/$target"
        mapfile -t folders < <(seeds "$target")
        if ! LANDFALL_FUZZ_ACCEPTED=$accepted "$build/$host/debug/$target" -runs=0 -max_len=65536 \
            -artifact_prefix="artifacts/$target/" "corpus/$target" ${folders[@]+"${folders[@]}"} \
            > "$build/runs/accepted.log" 2>&1; then
            tail -n 20 "$build/runs/accepted.log"
            return 1
        fi
    done
    python3 oracle.py "$accepted"
}

executions() {
    sed -n 's/^stat::number_of_executed_units: *//p' "$build/runs/$1.log"
}

mkdir -p "$build/runs"
one_certificate
findings=0
tell() {
    local target=$1 code=$2
    if ((code == 0)); then
        printf '%-20s %12s executions, 0 findings\n' "$target" "$(executions "$target")"
    else
        findings=$((findings + 1))
        printf '%-20s %12s executions, a finding:\n' "$target" "$(executions "$target")"
        grep -E 'panicked|ERROR|SUMMARY|Test unit written' -A 1 "$build/runs/$target.log" | head -n 20 || true
    fi
}

for ((first = 0; first < ${#targets[@]}; first += at_once)); do
    together=("${targets[@]:first:at_once}")
    running=()
    for target in "${together[@]}"; do
        fuzz "$target" &
        running+=($!)
    done
    for index in "${!running[@]}"; do
        code=0
        wait "${running[index]}" || code=$?
        tell "${together[index]}" "$code"
    done
done
if [[ " ${targets[*]} " == *' archive'* ]]; then second_reader || findings=$((findings + 1)); fi
((findings == 0))
