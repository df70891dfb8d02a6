#!/bin/sh
# Run the Python tests of the codec once with the extension built under AddressSanitizer and UBSan.
# The extension is built in a copy, so the one in the source tree stays as it is.
#   suite_sanitized.sh [pytest arguments]        PYTHON and CC name other programs.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python}
cc=${CC:-gcc}
codecs=$(cd .. && pwd)
work=$codecs/fuzz/build/suite
rm -rf "$work"
mkdir -p "$work"
cp -r ../c ../zarr_flac ../setup.py ../pyproject.toml ../README.md ../LICENSE "$work"
rm -f "$work"/zarr_flac/_native*.so
cd "$work"
CC=$cc CFLAGS="-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all" \
    LDFLAGS="-fsanitize=address,undefined" $python setup.py -q build_ext --inplace
$python setup.py -q egg_info # Zarr finds codecs by entry points
# Python itself is not built with the sanitizer, so its runtime has to be loaded first. Its own leaks
# are none of our business; a bad access ends the run.
runtime=$($cc -print-file-name=libasan.so)
case $runtime in /*) ;; *) runtime=$($cc -print-file-name=libclang_rt.asan-x86_64.so) ;; esac
ln -s "$codecs/tests" tests
LD_PRELOAD="$runtime $($cc -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 \
    UBSAN_OPTIONS=print_stacktrace=1 PYTHONPATH="$work:$codecs/tests" \
    $python -m pytest -q -p no:cacheprovider --import-mode=importlib "$@" tests
