// Memory that cannot be had, as a RangeError.
#pragma once

#include <napi.h>

#include <new>
#include <stdexcept>
#include <string>

namespace prompt_attention {

// make(), with memory that cannot be had turned into a RangeError that tells what could not be had.
template <class Make>
auto allocating(Napi::Env env, const std::string& what, Make make) {
  const auto fail = [&] { return Napi::RangeError::New(env, "out of memory: " + what); };
  try {
    return make();
  } catch (const std::bad_alloc&) {
    throw fail();
  } catch (const std::length_error&) {
    throw fail();
  }
}

// The same where the size is known.
template <class Make>
auto allocating(Napi::Env env, size_t bytes, Make make) {
  return allocating(env, std::to_string(bytes) + " bytes could not be allocated", make);
}

}  // namespace prompt_attention
