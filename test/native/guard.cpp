/**
 * A Node-API addon for the sanitizers' runs: poison(memory, from, to) makes AddressSanitizer report
 * any access of native code to these bytes of a memory, and unpoison allows it again.
 */
#include <node_api.h>
#include <sanitizer/asan_interface.h>

namespace {

/** The arguments (memory: Int32Array, from, to): the address and the length of a region. */
bool readRegion(napi_env env, napi_callback_info info, char** at, size_t* bytes) {
  napi_value values[3];
  size_t count = 3, length;
  void* base;
  napi_typedarray_type type;
  int64_t from, to;
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  if (count != 3 ||
      napi_get_typedarray_info(env, values[0], &type, &length, &base, nullptr, nullptr) != napi_ok ||
      napi_get_value_int64(env, values[1], &from) != napi_ok ||
      napi_get_value_int64(env, values[2], &to) != napi_ok || from < 0 || from > to ||
      to > int64_t(length) * 4) {
    napi_throw_error(env, nullptr, "expected an Int32Array and two of its byte offsets");
    return false;
  }
  *at = static_cast<char*>(base) + from;
  *bytes = size_t(to - from);
  return true;
}

template <void (*USE)(const volatile void*, size_t)>
napi_value region(napi_env env, napi_callback_info info) {
  char* at;
  size_t bytes;
  if (readRegion(env, info, &at, &bytes)) USE(at, bytes);
  return nullptr;
}

napi_value init(napi_env env, napi_value exports) {
  auto add = [&](const char* name, napi_callback function) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  };
  add("poison", region<__asan_poison_memory_region>);
  add("unpoison", region<__asan_unpoison_memory_region>);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
