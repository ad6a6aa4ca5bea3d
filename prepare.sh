#!/usr/bin/env bash
# Builds what a target of the Makefile needs, and says each step in one line; what is there already
# is left alone. Environments are made anew only when their lock file, pyproject.toml or their
# place has changed.
#
# usage: ./prepare.sh run|check|test|hil|bench|lock
#   run    .venv: the agent and what the demo needs
#   check  .venv: also the tools that check and test
#   test   also zcbor and labgrid (in build/, since they need other packages than the agent), and
#          from the system's packages mosquitto and what the rig stands on
#   hil    as test, without zcbor and the browser
#   bench  the agent, mosquitto, a C compiler and the gateway that we are measured beside
#   lock   build/uv: the tool that writes locks/
#
# PYTHON=... chooses the interpreter; without it the first one >= 3.11 is taken.
set -euo pipefail
cd "$(dirname "$0")"

UV_VERSION=0.13.9
APT_LOG=build/apt.log

main() {
  mkdir -p build
  # Two targets started together must not build one environment at the same time.
  exec 9<.
  flock 9
  case "${1:-}" in
    run) agent ;;
    check) agent && tools ;;
    test) agent && tools && zcbor && labgrid && broker && rig && browser ;;
    hil) agent && tools && labgrid && broker && rig ;;
    bench) agent && tools && gateway && broker && compiler ;;
    lock) lock_tool ;;
    *) fail "what for? usage: ./prepare.sh run|check|test|hil|bench|lock" ;;
  esac
}

say() { printf 'prepare: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

# --- Python environments -------------------------------------------------------------------------

agent() { environment .venv locks/run.lock pip .venv --no-deps --no-build-isolation -e . ; }
tools() { environment .venv locks/test.lock; }
zcbor() { environment build/zcbor locks/zcbor.lock; }
labgrid() { environment build/labgrid locks/labgrid.lock; }
gateway() { environment build/gateway locks/gateway.lock; }

# The mark beside a lock's packages says what they were made from: where it is right, nothing is done.
environment() { # FOLDER LOCK_FILE [COMMAND THAT COMPLETES IT...]
  local folder=$1 lock=$2 mark made
  shift 2
  mark="$folder/made-from-$(basename "$lock")"
  made=$(cat "$lock" pyproject.toml | sha256sum)
  usable "$folder" || create "$folder"
  [ "$(cat "$mark" 2>/dev/null)" != "$made" ] || return 0
  rm -f "$mark"
  say "$folder: installing the $(grep -c '^[a-z]' "$lock") packages of $lock"
  pip "$folder" --no-deps --require-hashes --only-binary :all: -r "$lock"
  "$@"
  printf '%s\n' "$made" >"$mark"
}

pip() { # FOLDER ARGUMENT...
  local folder=$1
  shift
  "$folder/bin/python" -m pip --quiet --disable-pip-version-check --no-input install "$@" ||
    fail "$folder: pip could not install (its reason stands above); the next start tries again"
}

# Scripts of an environment name their interpreter by its full path, so a moved one is of no use.
usable() { # FOLDER
  [ "$(cat "$1/place" 2>/dev/null)" = "$PWD/$1" ] && "$1/bin/python" -c '' 2>/dev/null
}

create() { # FOLDER
  local python
  python=$(interpreter)
  has_venv "$python" || install_venv "$python"
  say "$1: making an environment with $("$python" --version)"
  "$python" -m venv --clear "$1" || fail "$1: $python cannot make an environment"
  printf '%s\n' "$PWD/$1" >"$1/place"
}

interpreter() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "no Python >= 3.11 found; install one, or name it: make PYTHON=/path/to/python3 ..."
}

install_venv() { # PYTHON
  local package
  package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  say "$package is missing (Debian keeps Python's venv apart)"
  apt_install "$package"
  has_venv "$1" || fail "$1 still has no venv; take the system's: make PYTHON=/usr/bin/python3 ..."
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

lock_tool() {
  [ "$(build/uv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ] || return 0
  usable build/uv || create build/uv
  say "build/uv: installing uv $UV_VERSION"
  pip build/uv --only-binary :all: "uv==$UV_VERSION"
}

# --- packages of the system ----------------------------------------------------------------------

broker() {
  ! PATH="$PATH:/usr/sbin:/sbin" command -v mosquitto >/dev/null || return 0
  say "mosquitto, the broker that the tests talk to, is missing"
  may_install mosquitto
  local policy=/usr/sbin/policy-rc.d
  # Debian starts a service that it installs; this one would hold port 1883 from now on. A policy
  # that is there already and forbids starting (in containers) does as well as ours.
  if [ "$(status "$policy" mosquitto start)" != 101 ]; then
    as_root sh -c "[ ! -e $policy ] || mv $policy $policy.kept
      printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
    trap "as_root sh -c 'rm $policy; [ ! -e $policy.kept ] || mv $policy.kept $policy'" EXIT
  fi
  apt_install mosquitto
  as_root update-rc.d mosquitto disable >>"$APT_LOG" 2>&1
}

# What the rig stands on: the solver; a filesystem of its own; a pair of network interfaces, and a
# decoder that is not ours; sound cards.
rig() {
  packages ngspice:ngspice mkfs.ext4:e2fsprogs ip:iproute2 tshark:tshark aplay:alsa-utils
}

browser() { packages chromium:chromium chromedriver:chromium-driver; }

packages() { # COMMAND:PACKAGE...
  local pair missing=()
  for pair in "$@"; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ "${#missing[@]}" = 0 ] || apt_install "${missing[@]}"
}

compiler() {
  command -v cc >/dev/null || { say "no C compiler, the reference of some figures"; apt_install gcc; }
}

status() { # COMMAND...
  local code=0
  "$@" >/dev/null 2>&1 || code=$?
  printf '%s' "$code"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

may_install() { # PACKAGE...
  command -v apt-get >/dev/null || fail "no apt-get here: install $* by hand and start again"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    fail "neither root nor sudo: let somebody run 'apt-get install $*', then start again"
}

apt_install() { # PACKAGE...
  may_install "$@"
  say "apt-get install $*, as root (its words: $APT_LOG)"
  {
    # A foreign source that is out of reach does not matter where Debian's are there.
    as_root apt-get -q update || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
      -o DPkg::Lock::Timeout=120 install "$@"
  } >"$APT_LOG" 2>&1 </dev/null || {
    tail -n 5 "$APT_LOG" >&2
    fail "apt-get could not install $*; the rest stands in $APT_LOG"
  }
}

main "$@"
