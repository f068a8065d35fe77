#!/usr/bin/env bash
# Packs all that training on WebGPU needs into OUT_DIR/bundle.tar.xz, for a Linux x86-64 machine that has a GPU's driver and
# nothing else: Node, Vulkan's loader, deepend with its packages, Dawn, and the benchmark. With DATA_DIR, the folder of
# Fashion-MNIST's four files, these too (30 MB more).
# usage: test/peers/gpu-bundle.sh OUT_DIR [DATA_DIR]     after `npm run build:js` and `npm run peers npm`
# there: mkdir bundle && tar xJf bundle.tar.xz -C bundle && bundle/run.sh              the benchmark
#        bundle/run.sh bench ARGS ...                                                 with other options
#        bundle/run.sh deepend ARGS ...                                               the command line
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -ge 1 ] || { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
data=${2:-}
for built in deepend compiler device; do
  [ -f "$project/packages/$built/dist/index.js" ] || { echo "packages/$built is not built; npm run build:js" >&2; exit 1; }
done
[ -d "$project/node_modules/webgpu/dist/linux-x64" ] || { echo 'webgpu is not installed; npm run peers npm' >&2; exit 1; }
if [ -n "$data" ] && [ ! -f "$data/train-images-idx3-ubyte.gz" ]; then echo "no train-images-idx3-ubyte.gz in $data" >&2; exit 1; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
app=$work/app
mkdir -p "$app/bench" "$work/lib" "$work/debs"

cp "$(node -p process.execPath)" "$work/node"
strip "$work/node" 2>/dev/null || true

# Vulkan's loader, and what NVIDIA's driver links to.
if (cd "$work/debs" && apt-get download libvulkan1 libegl1 libglvnd0 libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0 >/dev/null 2>&1); then
  for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/debs/files"; done
  find "$work/debs/files" -name '*.so*' -exec cp -a {} "$work/lib/" \;
else
  echo "no Vulkan loader packed: the machine must have libvulkan.so.1" >&2
fi
rm -rf "$work/debs"

# deepend and the packages that it loads, each from where Node finds it.
node - "$project" >"$work/packages" <<'JS'
const fs = require('node:fs');
const path = require('node:path');
const project = process.argv[2];
const left = ['deepend', 'webgpu', '@tensorflow/tfjs-backend-webgpu'].map((name) => [name, project]);
const seen = new Set();
while (left.length > 0) {
  const [name, from] = left.pop();
  let folder = from;
  while (!fs.existsSync(path.join(folder, 'node_modules', name)) && folder !== path.dirname(folder)) folder = path.dirname(folder);
  const at = path.join(folder, 'node_modules', name);
  if (seen.has(at) || name.startsWith('@types/') || name === '@webgpu/types' || !fs.existsSync(at)) continue;
  seen.add(at);
  const { dependencies, optionalDependencies } = JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8'));
  for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) left.push([dependency, fs.realpathSync(at)]);
}
for (const at of seen) console.log(path.relative(project, at));
JS
while read -r folder; do
  source=$(realpath "$project/$folder")
  case $source in "$project"/packages/*) target=node_modules/${folder##*node_modules/} ;; *) target=$folder ;; esac
  mkdir -p "$app/$target"
  tar -C "$source" -cf - --exclude='*.map' --exclude='*.ts' --exclude='*.cts' --exclude='*.min.js' --exclude='*es2017*' --exclude='*.fesm*' \
    --exclude='*_test.*' --exclude=./node_modules --exclude=./src --exclude=./assembly --exclude=./scripts --exclude='./dist/darwin*' \
    --exclude='./dist/win32*' --exclude='./dist/linux-arm64' . | tar -C "$app/$target" -xf -
done <"$work/packages"
rm "$work/packages"

(cd "$project" && npx esbuild test/bench/run.ts --bundle --platform=node --format=esm --packages=external --log-level=warning --outfile="$app/bench/run.mjs")
cp "$project/test/bench/peer.py" "$app/bench/"
if [ -n "$data" ]; then mkdir -p "$app/data" && cp "$data"/*-ubyte.gz "$app/data/"; fi

cat >"$work/run.sh" <<'RUN'
#!/usr/bin/env bash
# ./run.sh [bench ARGS ... | deepend ARGS ...]: without any, the benchmark on the GPU.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}
[ -d "$here/app/data" ] && export DEEPEND_DATA=${DEEPEND_DATA:-$here/app/data}
if [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]; then # where containers have NVIDIA's driver, and Vulkan's loader does not look
  for file in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json /usr/local/nvidia/vulkan/icd.d/nvidia_icd.json; do
    [ -f "$file" ] && export VK_DRIVER_FILES=$file
  done
fi
task=${1:-bench}
[ $# -gt 0 ] && shift
case $task in
  bench) exec "$here/node" "$here/app/bench/run.mjs" --device webgpu "$@" ;;
  deepend) exec "$here/node" "$here/app/node_modules/deepend/bin/deepend.js" "$@" ;;
  *) echo "run.sh: expected bench or deepend, got $task" >&2; exit 2 ;;
esac
RUN
chmod +x "$work/run.sh"
tar -C "$work" -cf - . | xz -T0 -6 >"$out/bundle.tar.xz.part"
mv "$out/bundle.tar.xz.part" "$out/bundle.tar.xz"
ls -l "$out/bundle.tar.xz" | awk '{printf "%s %.1f MB\n", $NF, $5/1e6}'
