#!/bin/sh
# Compile the C core for 64-bit ARM and run it in an emulator: over the corpus and over streams of a real
# encoder, whole and damaged, with true checksums and with ones that are always right. NEON must come to
# the same as scalar code, and both to the same as on this machine, which needs AVX2: frames that one of the
# two gives up, for scalar code to decode, are a difference.
# What is encoded must be the same bytes on both; so must what predicted tiles and rows of them become.
# Needs Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user and flac, and numpy.
#   compare_arm64.sh [FOLDER]   for programs and streams; build/arm64 when not given
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
cc=${CC:-cc}
cross=${CROSS_CC:-aarch64-linux-gnu-gcc}
root=${CROSS_ROOT:-/usr/aarch64-linux-gnu}
build=${1:-build/arm64}
# Programs are linked in folders beside which the sources stand by short names: paths may have blanks.
flags="-std=c11 -ffp-contract=off -Wall -Wextra -Wpedantic -I../c -I../fuzz"
sources=$(ls ../c/*/*.c | grep -v -e /python/)

mkdir -p "$build/here" "$build/arm64"
build=$(cd "$build" && pwd)
ln -sfn "$(cd ../c && pwd)" "$build/c"
ln -sfn "$PWD" "$build/fuzz"
streams="$build/streams" flags="-O2 $flags" hundreds=20
"$python" make_streams.py "$streams"
# shellcheck disable=SC2086  # words are meant
(cd "$build/here" && $cc $flags -c $sources)
# shellcheck disable=SC2086
(cd "$build/arm64" && $cross $flags -c $sources)

# link MACHINE COMPILER PROGRAM OPTIONS SOURCES...: of the core's objects and more
link() {
    machine=$1 compiler=$2 program=$3 options=$4
    shift 4
    (
        cd "$build/$machine"
        # shellcheck disable=SC2046,SC2086
        $compiler $flags $options $(printf '../fuzz/%s ' "$@") \
            $(ls ./*.o | grep -v "${without:-/none.o}") -lm -o "../${machine}_$program"
    )
}

for kind in true any; do
    case $kind in
    true) without= options= words="replay.c" ;;
    any) without=/crc.o options=-DANY_CRC words="replay.c crc_any.c" ;;
    esac
    # shellcheck disable=SC2086
    link here "$cc" $kind "$options -Wl,--wrap=vf_group_decode" $words
    # shellcheck disable=SC2086
    link arm64 "$cross" $kind "$options -Wl,--wrap=vf_group_decode" $words
    "$build/here_$kind" corpus/*.flac "$streams"/*.flac >"$build/here_$kind.txt"
    if grep -q "^kernels 0," "$build/here_$kind.txt"; then
        echo "this CPU has no lanes to compare with" >&2
        exit 77
    fi
    qemu-aarch64 -L "$root" "$build/arm64_$kind" corpus/*.flac \
        "$streams"/*.flac >"$build/arm64_$kind.txt"
    # The first line says what there is: NEON, and carry-less multiplication beside the tables.
    grep -q -x "kernels 1, ways to a CRC-32 2" "$build/arm64_$kind.txt"
    tail -n +2 "$build/arm64_$kind.txt" >"$build/arm64.txt"
    tail -n +2 "$build/here_$kind.txt" | diff - "$build/arm64.txt"
    tail -n +3 "$build/here_$kind.txt" >"$build/here.txt" # the streams
    # Lanes that give up for nothing would not show otherwise.
    if [ $kind = true ] && grep -E "^(narrow|middle|wide)_.* 0 frames at once" "$build/here.txt"; then exit 1; fi
    echo "$kind checksums: $(wc -l <"$build/here.txt") streams alike, $(grep -c ': no error' "$build/here.txt") of them good"
done
without=
link here "$cc" encode "" encode_random.c
link arm64 "$cross" encode "" encode_random.c
"$build/here_encode" $hundreds >"$build/here_encode.txt"
qemu-aarch64 -L "$root" "$build/arm64_encode" $hundreds | diff "$build/here_encode.txt" -
echo "$hundreds hundred random streams encoded alike"
link here "$cc" predicted "" predicted_random.c
link arm64 "$cross" predicted "" predicted_random.c
"$build/here_predicted" $hundreds >"$build/here_predicted.txt"
qemu-aarch64 -L "$root" "$build/arm64_predicted" $hundreds >"$build/arm64_predicted.txt"
# The first line says which kernels there are.
grep -q -x "lanes of the kernels: 4, 4" "$build/arm64_predicted.txt"
tail -n +2 "$build/arm64_predicted.txt" >"$build/arm64.txt"
tail -n +2 "$build/here_predicted.txt" | diff - "$build/arm64.txt"
echo "$hundreds hundred random predicted tiles alike"
