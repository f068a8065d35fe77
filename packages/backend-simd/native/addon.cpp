/**
 * The Node-API addon: creates runtimes that compute tasks in WebAssembly's memory. Its functions
 * check what they are given, since a wrong address would end the process.
 */
#include <node_api.h>
#include <algorithm>
#include <chrono>
#include <cstring>
#include <initializer_list>
#include <string>
#include <thread>
#include <vector>
#include "generated/arguments.hpp"
#include "pool.hpp"
#include "processor.hpp"

namespace {

using deepend::Kernels;
using deepend::Pool;

/** An instruction set that this addon was built for. */
struct Build {
  const char* name;
  const Kernels* kernels;
  bool (*isSupported)();
};

/** Best first. */
const Build BUILDS[] = {
#if defined(DEEPEND_HAS_avx512)
    {"avx512", &avx512::kernels, deepend::supportsAvx512},
#endif
#if defined(DEEPEND_HAS_avx2)
    {"avx2", &avx2::kernels, deepend::supportsAvx2},
#endif
#if defined(DEEPEND_HAS_baseline)
    {"baseline", &baseline::kernels, [] { return true; }},
#endif
};

struct Runtime {
  std::unique_ptr<Pool> pool;
  char* base;
  size_t controlBytes;
};

napi_value fail(napi_env env, const char* message) {
  napi_throw_error(env, nullptr, message);
  return nullptr;
}

/** An integer property of an options object. */
bool readInteger(napi_env env, napi_value options, const char* name, int64_t* to) {
  napi_value value;
  return napi_get_named_property(env, options, name, &value) == napi_ok &&
         napi_get_value_int64(env, value, to) == napi_ok;
}

const Build* findBuild(napi_env env, napi_value options) {
  napi_value value;
  char name[16] = "";
  size_t length = 0;
  napi_get_named_property(env, options, "build", &value);
  napi_get_value_string_utf8(env, value, name, sizeof name, &length);
  for (const Build& build : BUILDS)
    if (std::strcmp(build.name, name) == 0 && build.isSupported()) return &build;
  return nullptr;
}

/** launch(task, address of the arguments, tiles, timeout in ms): whether every tile was done. */
napi_value launch(napi_env env, napi_callback_info info) {
  napi_value values[4];
  size_t count = 4;
  void* data;
  napi_get_cb_info(env, info, &count, values, nullptr, &data);
  Runtime* runtime = static_cast<Runtime*>(data);
  int32_t task, at, tiles, timeout;
  if (count != 4 || napi_get_value_int32(env, values[0], &task) != napi_ok ||
      napi_get_value_int32(env, values[1], &at) != napi_ok ||
      napi_get_value_int32(env, values[2], &tiles) != napi_ok ||
      napi_get_value_int32(env, values[3], &timeout) != napi_ok)
    return fail(env, "launch: expected four integers");
  if (at < 0 || size_t(at) >= runtime->controlBytes)
    return fail(env, "launch: expected an address of the control block");
  const auto outcome = runtime->pool->launch(task, runtime->base + at, tiles, timeout);
  napi_value result;
  napi_get_boolean(env, outcome == Pool::Outcome::done, &result);
  return result;
}

napi_value setThreads(napi_env env, napi_callback_info info) {
  napi_value value;
  size_t count = 1;
  void* data;
  napi_get_cb_info(env, info, &count, &value, nullptr, &data);
  int32_t threads;
  if (count != 1 || napi_get_value_int32(env, value, &threads) != napi_ok || threads < 1)
    return fail(env, "setThreads: expected an integer");
  try {
    static_cast<Runtime*>(data)->pool->setThreads(threads);
  } catch (const std::exception& error) {
    return fail(env, error.what());
  }
  return nullptr;
}

/** Stops the threads before the memory goes. */
void destroy(void* data) { delete static_cast<Runtime*>(data); }

void setFunction(napi_env env, napi_value object, const char* name, napi_callback function,
                 void* data) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, data, &value);
  napi_set_named_property(env, object, name, value);
}

/** create(memory: Int32Array, options): { launch, setThreads, nr } */
napi_value create(napi_env env, napi_callback_info info) {
  napi_value values[2];
  size_t count = 2;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  void* base = nullptr;
  size_t length = 0;
  napi_typedarray_type type;
  if (count != 2 ||
      napi_get_typedarray_info(env, values[0], &type, &length, &base, nullptr, nullptr) != napi_ok ||
      type != napi_int32_array)
    return fail(env, "create: expected an Int32Array of the memory and options");
  int64_t scratchStart, scratchBytes, maxThreads, controlBytes;
  if (!readInteger(env, values[1], "scratchStart", &scratchStart) ||
      !readInteger(env, values[1], "scratchBytes", &scratchBytes) ||
      !readInteger(env, values[1], "maxThreads", &maxThreads) ||
      !readInteger(env, values[1], "controlBytes", &controlBytes) ||
      scratchStart + scratchBytes * maxThreads > int64_t(length) * 4)
    return fail(env, "create: expected scratch memory within the memory");
  const Build* build = findBuild(env, values[1]);
  if (!build) return fail(env, "create: expected a build that this processor supports");
  Runtime* runtime = new Runtime;
  runtime->base = static_cast<char*>(base);
  runtime->controlBytes = size_t(controlBytes);
  const deepend::Memory memory = {runtime->base, size_t(scratchStart), size_t(scratchBytes),
                                  int(maxThreads)};
  runtime->pool = std::make_unique<Pool>(memory, *build->kernels);
  napi_add_env_cleanup_hook(env, destroy, runtime);
  napi_value result, number;
  napi_create_object(env, &result);
  setFunction(env, result, "launch", launch, runtime);
  setFunction(env, result, "setThreads", setThreads, runtime);
  napi_create_int32(env, build->kernels->nr, &number);
  napi_set_named_property(env, result, "nr", number);
  return result;
}

/**
 * check(): computes a small matrix product with every build that this processor supports, and
 * returns whether the results are right. A child process calls it first: an instruction that the
 * processor lacks would end the process.
 */
napi_value check(napi_env env, napi_callback_info) {
  constexpr int M = 7, N = 5, K = 9;
  bool right = true;
  for (const Build& build : BUILDS) {
    if (!build.isSupported()) continue;
    // Offsets: a at 64, b at 4096, c at 8192; scratch memory from 64 KiB on.
    std::vector<char> memory(1 << 20);
    auto thread = std::make_unique<deepend::Thread>();
    thread->base = memory.data();
    thread->scratch = thread->base + (1 << 16);
    float *a = thread->at(64), *b = thread->at(4096), *c = thread->at(8192);
    for (int i = 0; i < M * K; i++) a[i] = float(i % 11 - 5);
    for (int i = 0; i < K * N; i++) b[i] = float(i % 7 - 3);
    deepend::MatMulArgs args = {};
    args.a = 64, args.b = 4096, args.c = 8192;
    args.m = M, args.n = N, args.k = K;
    args.rowStride = K, args.kStride = 1;
    args.rowBlock = M, args.rowBlocks = args.panelBlock = args.panelBlocks = 1;
    args.bRow = N, args.bColumn = 1;
    build.kernels->runTile(deepend::Task_MatMul, &args, 0, *thread);
    for (int i = 0; i < M; i++)
      for (int j = 0; j < N; j++) {
        float sum = 0;
        for (int k = 0; k < K; k++) sum += a[i * K + k] * b[k * N + j];
        right = right && c[i * N + j] == sum;
      }
  }
  napi_value result;
  napi_get_boolean(env, right, &result);
  return result;
}

/** GFLOP/s of a thread's best fiftieth of a second. */
double measurePeak(const Kernels& kernels, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double best = 0;
  for (const auto begin = Clock::now(); since(begin) < seconds;) {
    const auto start = Clock::now();
    double operations = 0;
    do operations += kernels.spin(10000);
    while (since(start) < 0.02);
    best = std::max(best, operations / since(start) / 1e9);
  }
  return best;
}

/** peak({ build, threads, milliseconds }): GFLOP/s of multiply-adds on registers alone. */
napi_value peak(napi_env env, napi_callback_info info) {
  napi_value options;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &options, nullptr, nullptr);
  int64_t threads, milliseconds;
  if (count != 1 || !readInteger(env, options, "threads", &threads) || threads < 1 ||
      threads > 1024 || !readInteger(env, options, "milliseconds", &milliseconds))
    return fail(env, "peak: expected a build, threads and milliseconds");
  const Build* build = findBuild(env, options);
  if (!build) return fail(env, "peak: expected a build that this processor supports");
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::thread> workers;
  for (double& rate : rates)
    workers.emplace_back(
        [&] { rate = measurePeak(*build->kernels, double(milliseconds) / 1000); });
  for (std::thread& worker : workers) worker.join();
  double sum = 0;
  for (double rate : rates) sum += rate;
  napi_value result;
  napi_create_double(env, sum, &result);
  return result;
}

/** builds(): names of the builds that this processor supports, best first. */
napi_value builds(napi_env env, napi_callback_info) {
  napi_value result, name;
  napi_create_array(env, &result);
  uint32_t i = 0;
  for (const Build& build : BUILDS) {
    if (!build.isSupported()) continue;
    napi_create_string_utf8(env, build.name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, result, i++, name);
  }
  return result;
}

napi_value init(napi_env env, napi_value exports) {
  setFunction(env, exports, "create", create, nullptr);
  setFunction(env, exports, "builds", builds, nullptr);
  setFunction(env, exports, "check", check, nullptr);
  setFunction(env, exports, "peak", peak, nullptr);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
