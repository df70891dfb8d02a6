#!/bin/sh
# Fuzz the decoder and the encoder for SECONDS: a quarter of them the decoder with true checksums, a quarter with
# checksums that are always right, a quarter the encoder, a quarter predicted tiles.
# Needs clang with its runtime (Debian: clang libclang-rt-14-dev). Findings end up in build/.
#   run.sh SECONDS [true|any|encode|predicted]
set -eu
cd "$(dirname "$0")"
seconds=${1:?"usage: run.sh SECONDS [true|any|encode|predicted]"}
kinds=${2:-"true any encode predicted"}
[ $# -gt 1 ] || seconds=$((seconds / 4))
clang=${CLANG:-clang}
flags="-g -O1 -std=c11 -ffp-contract=off -I../c -fno-omit-frame-pointer -fno-sanitize-recover=all
    -fsanitize=fuzzer-no-link,address,undefined"

# The core once for all targets, on all cores.
rm -rf build/core
mkdir -p build/core
export clang flags
# shellcheck disable=SC2016  # the inner shell's words
ls ../c/*/*.c | grep -v -e /python/ |
    xargs -n 1 -P "$(nproc)" sh -c '$clang $flags -c "$1" -o "build/core/$(basename "$1" .c).o"' sh

# build_target NAME SOURCES OPTIONS OBJECTS...
build_target() {
    name=$1 words=$2 options=$3
    shift 3
    # shellcheck disable=SC2086  # words are meant
    $clang $flags $options -fsanitize=fuzzer $words "$@" -o "build/fuzz_$name"
}

for kind in $kinds; do
    case $kind in
    true) build_target true fuzz_decode.c "" build/core/*.o ;;
    any)
        # shellcheck disable=SC2046
        build_target any "fuzz_decode.c crc_any.c" -DANY_CRC $(ls build/core/*.o | grep -v /crc.o)
        ;;
    encode) build_target encode fuzz_encode.c "" build/core/*.o ;;
    predicted) build_target predicted fuzz_predicted.c "" build/core/*.o ;;
    esac
done
for kind in $kinds; do
    mkdir -p "build/found_$kind"
    echo "== $kind, $seconds s" # the encoder takes the corpus for pixels
    build/fuzz_$kind -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=4096 \
        -print_final_stats=1 -dict=flac.dict -artifact_prefix="build/$kind-" "build/found_$kind" corpus \
        2>"build/$kind.log" || { tail -n 60 "build/$kind.log"; exit 1; }
    grep -E "DONE|stat::" "build/$kind.log"
done
