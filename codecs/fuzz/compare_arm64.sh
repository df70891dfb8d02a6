#!/bin/sh
# Compile the C core for 64-bit ARM and run it in an emulator: over the corpus and over streams of a real
# encoder, whole and damaged, with true checksums and with ones that are always right. NEON must come to
# the same as scalar code, and both to the same as on this machine, which needs AVX2: frames that one of the
# two gives up, for scalar code to decode, are a difference.
# Needs Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user and flac, and numpy.
#   compare_arm64.sh [FOLDER [quick]]   for programs and streams; build/arm64 when not given
#                                       quick: the corpus alone, true checksums alone, and not
#                                       optimized, which compiles in a third of the time
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
cc=${CC:-cc}
cross=${CROSS_CC:-aarch64-linux-gnu-gcc}
root=${CROSS_ROOT:-/usr/aarch64-linux-gnu}
build=${1:-build/arm64}
sources=$(ls ../c/*.c | grep -v -e /module.c)
flags="-std=c11 -Wall -Wextra -Wpedantic -I../c -Wl,--wrap=vf_group_decode"

mkdir -p "$build"
if [ "${2:-}" = quick ]; then
    kinds=true streams= flags="-O0 $flags"
else
    kinds="true any" streams="$build/streams" flags="-O2 $flags"
    "$python" make_streams.py "$streams"
fi
for kind in $kinds; do
    case $kind in
    true) extra=replay.c used=$sources ;;
    any) extra="-DANY_CRC replay.c crc_any.c" used=$(echo "$sources" | grep -v /crc.c) ;;
    esac
    # shellcheck disable=SC2086  # words are meant
    $cc $flags $extra $used -o "$build/here_$kind"
    # shellcheck disable=SC2086
    $cross $flags $extra $used -o "$build/arm64_$kind"
    "$build/here_$kind" corpus/*.flac ${streams:+"$streams"/*.flac} >"$build/here_$kind.txt"
    if grep -q "^kernels 0," "$build/here_$kind.txt"; then
        echo "this CPU has no lanes to compare with" >&2
        exit 77
    fi
    qemu-aarch64 -L "$root" "$build/arm64_$kind" corpus/*.flac \
        ${streams:+"$streams"/*.flac} >"$build/arm64_$kind.txt"
    # The first line says what there is: NEON, and carry-less multiplication beside the tables.
    grep -q -x "kernels 1, ways to a CRC-32 2" "$build/arm64_$kind.txt"
    tail -n +2 "$build/arm64_$kind.txt" >"$build/arm64.txt"
    tail -n +2 "$build/here_$kind.txt" | diff - "$build/arm64.txt"
    tail -n +3 "$build/here_$kind.txt" >"$build/here.txt" # the streams
    # Lanes that give up for nothing would not show otherwise.
    if [ $kind = true ] && grep -E "^(narrow|middle|wide)_.* 0 frames at once" "$build/here.txt"; then exit 1; fi
    echo "$kind checksums: $(wc -l <"$build/here.txt") streams alike, $(grep -c ': no error' "$build/here.txt") of them good"
done
