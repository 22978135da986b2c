# Shared by the scripts: source it, it sets `root`, the folder of the project, and goes there.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
mkdir -p build

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 2; }

# runs a command as root: as it is, or through sudo
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "needs root for: $* (and there is no sudo)"
  fi
}

# jobs that fit the machine: one a core, and a gigabyte of memory each
jobs() {
  local cores gigabytes
  cores=$(nproc)
  gigabytes=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo)
  [ "${gigabytes:-0}" -ge 1 ] || gigabytes=1
  if [ "$gigabytes" -lt "$cores" ]; then echo "$gigabytes"; else echo "$cores"; fi
}

# stage NAME COMMAND…: runs it and remembers its time; its failure is the caller's
stage_times=()
stage() {
  local name=$1 begin status=0
  shift
  begin=$(date +%s%N)
  say "== $name"
  "$@" || status=$?
  stage_times+=("$(awk -v ns=$(($(date +%s%N) - begin)) -v name="$name" 'BEGIN {printf "%-28s %6.1f min", name, ns / 6e10}')")
  return "$status"
}
print_stages() { printf '%s\n' "${stage_times[@]}"; }

# a GPU is used where there is one and a compiler for it
has_gpu() { command -v nvcc >/dev/null && command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

# build PRESET [CMAKE OPTION…]: quiet unless it fails
build() {
  local preset=$1 log
  shift
  log=build/$preset.log
  if ! { cmake --preset "$preset" "$@" && cmake --build --preset "$preset" -j "$(jobs)"; } >"$log" 2>&1; then
    grep -E -A 12 'error|Error|FAILED' "$log" >&2 || tail -n 40 "$log" >&2
    say "the build failed; the whole log is $log"
    return 1
  fi
}

build_release() {
  if has_gpu; then build release -DCODEASK_CUDA=ON; else build release; fi
}
