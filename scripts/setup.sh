#!/bin/sh
# Make .venv with usguide and its test tools in it. Safe to run again. Needs Python 3.11 or newer with pip.
set -eu
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"; else return 1; fi
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  rm -rf .venv
  # Debian's own python3 comes without ensurepip: there the system's pip puts pip into the new environment.
  "$python" -m venv .venv >/dev/null 2>&1 || {
    rm -rf .venv
    "$python" -m venv --without-pip .venv
    "$python" -m pip --disable-pip-version-check --python .venv/bin/python install -q pip
  }
fi
.venv/bin/python -m pip install -q --disable-pip-version-check -e ".[${1:-test}]"

# opencv-python links to two system libraries that a bare machine may lack.
if ! .venv/bin/python -c "import cv2" 2>/dev/null; then
  echo "setup: installing OpenCV's system libraries (libgl1, libglib2.0-0)" >&2
  as_root apt-get update -qq && as_root apt-get install -y -qq libgl1 libglib2.0-0 >/dev/null ||
    { echo "setup: OpenCV can't be loaded; install libgl1 and libglib2.0-0 with the system's package manager" >&2; exit 1; }
fi
