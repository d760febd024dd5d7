# Sourced by scripts/setup: find a Python, make .venv with it, install into it.

fail() {
  echo "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: its output goes to the log, and is shown when it fails.
quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 </dev/null || {
    local status=$?
    tail -n 40 "$log" >&2
    fail "This failed with status $status: $* (all of its output is in $log)."
  }
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
can_make_environments() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# find_python: set `python` to a suitable one, or say what is missing.
find_python() {
  local name without_venv="" PATH=:$PATH:
  # An environment cannot be made with its own Python.
  PATH=${PATH//:$PWD\/.venv\/bin:/:}
  PATH=${PATH#:} PATH=${PATH%:}
  for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    name=$(command -v "$name") || continue
    is_new_enough "$name" || continue
    if can_make_environments "$name"; then
      python=$name
      return
    fi
    without_venv=${without_venv:-$name}
  done
  if [ -n "$without_venv" ]; then
    fail "$without_venv cannot make environments: install its venv module (Debian and Ubuntu: apt-get install python3-venv), then run make again."
  fi
  if [ -n "${PYTHON:-}" ]; then fail "PYTHON=$PYTHON is not a Python 3.11 or newer: name another one."; fi
  fail "feedgraph needs Python 3.11 or newer with its venv module (Debian and Ubuntu: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3.12 ..."
}

# make_environment: .venv, made anew when its Python is gone, the checkout has moved or PYTHON asks for another version.
make_environment() {
  local wanted
  if grep -qsF "$PWD/.venv" .venv/bin/activate && .venv/bin/python -c '' 2>/dev/null; then
    [ -n "${PYTHON:-}" ] || return 0
    find_python
    wanted=$("$python" -c 'import sys; print(sys.version)')
    if [ "$(.venv/bin/python -c 'import sys; print(sys.version)')" = "$wanted" ]; then return 0; fi
  fi
  find_python
  echo "Making the environment .venv with $("$python" --version) …"
  rm -rf .venv || fail "The environment .venv belongs to another user: run make as that user, or remove it."
  "$python" -m venv .venv || fail "$python could not make the environment .venv: see above."
}

# pip_install WHAT ARGUMENTS...: into .venv, with a line of progress instead of pip's own pages.
pip_install() {
  local what=$1
  shift
  [ -w .venv ] || fail "The environment .venv belongs to another user: run make as that user, or remove it."
  echo "Installing $what …"
  # A user's PIP_USER would send the packages out of the environment.
  PIP_USER=0 PYTHONUNBUFFERED=1 .venv/bin/python -m pip install --no-input --disable-pip-version-check "$@" 2>&1 </dev/null |
    tee .venv/pip.log | awk -v terminal="$([ -t 1 ] && echo yes || true)" '
      /^Collecting|^Obtaining/ { seen++; if (terminal) printf "\r  %d found: %-50.50s", seen, $2; else if (seen % 20 == 0) print "  " seen " found" }
      /^Installing collected/ { if (terminal) printf "\r%-70s\r", ""; print "  unpacking …" }
      { fflush() }' || {
    grep -v -e '^Collecting' -e '^  Downloading' -e '^  Using cached' .venv/pip.log | tail -n 20 >&2
    fail "$what could not be installed: see above (all of pip's output is in .venv/pip.log)."
  }
}
