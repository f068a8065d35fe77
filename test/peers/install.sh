#!/usr/bin/env bash
# Puts into node_modules, and into a virtual environment of Python in node_modules/.python, what only tests and benchmarks
# use: the programs that read back what deepend exports, the notebook kernel, and the backends that are optional. Nothing
# here is needed to use deepend; a test whose peer is absent is skipped and says so. With PYTHON set, that Python gets the
# packages itself. The tests find the environment by themselves.
# usage: test/peers/install.sh [PART...]   parts: npm python tfjs-node; without any, all of them   (some minutes the first time)
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-}
parts=${*:-npm python tfjs-node}

# One command for all: `npm install` takes away whatever neither it nor package.json names. Without install scripts,
# which download: what the packages hold is enough.
npm_packages() {
  (cd "$project" && npm install --no-save --ignore-scripts --no-audit --no-fund \
    onnxruntime-node@1.30.0 tslab@1.0.22 @jax-js/jax@0.1.25 \
    webgpu@0.6.2 @tensorflow/tfjs-backend-webgpu@4.22.0 \
    @tensorflow/tfjs-node@4.22.0 @tensorflow/tfjs-node-gpu@4.22.0 >/dev/null)
  # tslab brings a TypeScript of its own, whose `tsc` has taken the place of ours.
  (cd "$project" && npm rebuild --ignore-scripts typescript >/dev/null)
  echo 'npm packages are there'
}

# An environment that sees what the system has: Debian and others refuse pip in the system's own Python ("externally managed"), and rightly so.
find_python() {
  [ -n "$python" ] && return
  local environment=$project/node_modules/.python
  if [ ! -x "$environment/bin/python3" ]; then
    if ! python3 -m venv --system-site-packages "$environment"; then
      rm -rf "$environment"
      echo 'python3 cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv' >&2
      exit 1
    fi
  fi
  python=$environment/bin/python3
  echo "Python packages go to $environment; to use them: source $environment/bin/activate"
}

python_packages() {
  find_python
  PIP_RETRIES=${PIP_RETRIES:-0} "$python" -m pip install --quiet --disable-pip-version-check \
    tensorflow-cpu nbclient nbconvert ipykernel safetensors onnx
  # Where the system has Jupyter too, pip is content with that, whose `jupyter` does not look into the environment.
  if [ "$python" = "$project/node_modules/.python/bin/python3" ] && [ ! -x "$project/node_modules/.python/bin/jupyter-nbconvert" ]; then
    PIP_RETRIES=${PIP_RETRIES:-0} "$python" -m pip install --quiet --disable-pip-version-check --ignore-installed --no-deps \
      nbconvert jupyter-core jupyter-client \
      || echo "no nbconvert for the environment: use the system's, with JUPYTER_PATH=$project/node_modules/.python/share/jupyter" >&2
  fi
  echo 'Python packages are there'
}

# The packages' own install step downloads libtensorflow. Their N-API binding builds just as well against the library that
# the Python package tensorflow-cpu holds: CPU kernels only, so that tfjs-node-gpu loads and runs, and reports no GPU.
tfjs_node() {
  local tensorflow headers nodedir name directory binding
  find_python
  tensorflow=$("$python" -c 'import importlib.util; print(importlib.util.find_spec("tensorflow").submodule_search_locations[0])')
  nodedir=${NODEDIR:-$(npm config get nodedir 2>/dev/null)}
  case $nodedir in null | undefined | '') nodedir=$(dirname "$(dirname "$(node -p process.execPath)")") ;; esac
  # Node's own headers, where they lie beside it; else node-gyp downloads them.
  if [ -e "$nodedir/include/node/node.h" ]; then headers=("--nodedir=$nodedir"); else headers=(); fi
  for name in tfjs-node tfjs-node-gpu; do
    directory=$project/node_modules/@tensorflow/$name
    binding=$directory/lib/napi-v8/tfjs_binding.node
    if [ "$name" = tfjs-node-gpu ] && [ ! -f "$binding" ]; then # the same source and the same library: the same binding
      mkdir -p "$(dirname "$binding")" "$directory/deps"
      cp "$directory/../tfjs-node/lib/napi-v8/tfjs_binding.node" "$binding"
      cp -a "$directory/../tfjs-node/deps/." "$directory/deps/"
    fi
    if [ ! -f "$binding" ]; then
      mkdir -p "$directory/deps/lib"
      ln -sfn "$tensorflow/include" "$directory/deps/include"
      for library in libtensorflow_cc libtensorflow_framework; do
        ln -sf "$tensorflow/$library.so.2" "$directory/deps/lib/$library.so.2"
        ln -sf "$library.so.2" "$directory/deps/lib/${library/_cc/}.so"
      done
      (cd "$directory" && node "$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js" rebuild "${headers[@]}" \
        --module_name=tfjs_binding --module_path="$directory/lib/napi-v8" --napi_build_version=8 >"$directory/build.log" 2>&1) \
        || { tail -20 "$directory/build.log" >&2; exit 1; }
    fi
    (cd "$project" && TF_CPP_MIN_LOG_LEVEL=2 node -e "
      require('node:util').isNullOrUndefined ??= (value) => value == null;
      const tf = require('@tensorflow/$name');
      if (tf.getBackend() !== 'tensorflow') throw new Error('the backend is ' + tf.getBackend());
      console.log('@tensorflow/$name works: libtensorflow', tf.backend().binding.TF_Version);" 2>/dev/null)
  done
}

for part in $parts; do
  case $part in
    npm) npm_packages ;;
    python) python_packages ;;
    tfjs-node) tfjs_node ;;
    *) echo "unknown part '$part': expected npm, python or tfjs-node" >&2; exit 2 ;;
  esac
done
