#!/usr/bin/env bash
# Copyright 2024 Example
#
# Installs versions of a tool side by side.

set -euo pipefail
. "$(dirname "$0")/lib.sh"
source ./colors.sh

VERSION="1.0"
export TOOL_DIR="${HOME}/.tool"
readonly LIMIT=3

# Says something went wrong.
tool_err() {
  >&2 echo "$@"
}

function tool_download {
  local url
  url="$1"
  curl --fail -o "$2" "$url" || tool_err "failed"
}

tool_install() (
  tool_download "$MIRROR/$1" "$TOOL_DIR/$1"
  if tool_has "$1"; then
    tool_use "$1"
  fi
)

case "$1" in
  install) tool_install "$2" ;;
  *) tool_err "usage" ;;
esac

@test "installs" {
  run tool_install 1
}
