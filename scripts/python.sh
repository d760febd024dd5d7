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

# has_environment: whether .venv is there, with a Python, made at this place, and of the version that PYTHON asks for.
has_environment() {
  grep -qsF "$PWD/.venv" .venv/bin/activate && .venv/bin/python -c '' 2>/dev/null || return 1
  [ -n "${PYTHON:-}" ] || return 0
  find_python
  [ "$(.venv/bin/python -c 'import sys; print(sys.version)')" = "$("$python" -c 'import sys; print(sys.version)')" ]
}

# make_environment: .venv, made anew when its Python is gone, the checkout has moved or PYTHON asks for another version.
make_environment() {
  if has_environment; then return 0; fi
  find_python
  echo "Making the environment .venv with $("$python" --version) …"
  rm -rf .venv || fail "The environment .venv belongs to another user: run make as that user, or remove it."
  "$python" -m venv .venv || fail "$python could not make the environment .venv: see above."
}

# install_uv: the locked uv, which fetches many packages at once, into .venv; where that fails, pip does without.
install_uv() {
  local locked
  locked=$(sed -n 's/^uv==\([^ ;]*\).*/\1/p' requirements.lock)
  case "$(.venv/bin/uv --version 2>/dev/null) " in "uv $locked "*) return 0 ;; esac
  awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements.lock >.venv/uv.lock
  run_pip --require-hashes --no-deps -r .venv/uv.lock >.venv/pip.log 2>&1 || true
}

# run_pip ARGUMENTS...: a user's PIP_USER would send the packages out of the environment.
run_pip() { PIP_USER=0 .venv/bin/python -m pip install --no-input --disable-pip-version-check "$@" </dev/null; }

# run_uv ARGUMENTS...: it does not read pip's configuration, of which it needs the index; progress is for terminals. Modules are
# compiled now, as pip does: where Python may not write them (PYTHONDONTWRITEBYTECODE), each start would compile them all again.
run_uv() {
  local index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null)} quiet=--quiet
  if [ -n "$index" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"; fi
  if [ -t 2 ]; then quiet=""; fi
  .venv/bin/uv pip install --python .venv/bin/python --compile-bytecode $quiet "$@" </dev/null
}

# pip_install WHAT ARGUMENTS...: into .venv; by pip where uv, which knows no proxies and certificates of pip's, cannot.
pip_install() {
  local what=$1
  shift
  [ -w .venv ] || fail "The environment .venv belongs to another user: run make as that user, or remove it."
  install_uv
  echo "Installing $what …"
  if [ -x .venv/bin/uv ] && run_uv "$@"; then return 0; fi
  echo "  again, by pip …"
  run_pip "$@" >.venv/pip.log 2>&1 || {
    grep -v -e '^Collecting' -e '^  Downloading' -e '^  Using cached' .venv/pip.log | tail -n 20 >&2
    fail "$what could not be installed: see above (all of pip's output is in .venv/pip.log)."
  }
}
