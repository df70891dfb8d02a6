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
sources=$(ls ../c/*/*.c | grep -v -e /python/)
flags="-g -O1 -std=c11 -I../c -fno-omit-frame-pointer -fno-sanitize-recover=all
    -fsanitize=fuzzer,address,undefined"

mkdir -p build
for kind in $kinds; do
    case $kind in
    # shellcheck disable=SC2086  # words are meant
    true) $clang $flags fuzz_decode.c $sources -o build/fuzz_true ;;
    any) $clang $flags -DANY_CRC fuzz_decode.c crc_any.c \
        $(echo "$sources" | grep -v /crc.c) -o build/fuzz_any ;;
    encode) $clang $flags -ffp-contract=off fuzz_encode.c $sources -o build/fuzz_encode ;;
    predicted) $clang $flags -ffp-contract=off fuzz_predicted.c $sources -o build/fuzz_predicted ;;
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
