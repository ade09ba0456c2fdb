// Reads requests from JavaScript. Meaning is validated in TypeScript; here type, range and length are checked
// again, so that memory safety never rests on it. Everything is copied: no pointer into a JavaScript buffer
// outlives the call.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/trial.h"
#include "core/heads/head.h"
#include "core/mixture/mixture.h"
#include "core/random/random.h"

namespace prompt_attention {

// Typed fields of one request object. Every reader throws a TypeError or RangeError that names the field.
class Request {
 public:
  explicit Request(const Napi::Value& value);

  double number(const char* name) const;  // finite
  double numberIn(const char* name, double minimum, double maximum) const;
  int64_t integer(const char* name, int64_t minimum, int64_t maximum) const;
  uint64_t bigUint64(const char* name) const;  // a bigint in [0, 2⁶⁴)
  bool boolean(const char* name) const;
  std::string text(const char* name) const;
  Request object(const char* name) const;
  // The kind that a text names, of a list as in core/base/named.h.
  template <class Entry, size_t count>
  auto oneOf(const char* name, const Entry (&list)[count]) const {
    const std::string given = text(name);
    for (const Entry& each : list)
      if (given == each.name) return each.kind;
    failRange(name, namesOf(list));
  }
  Napi::Env env() const { return object_.Env(); }
  bool has(const char* name) const;  // not undefined
  // Typed arrays; a length of kAnyLength is not checked.
  std::vector<double> float64Array(const char* name, size_t length) const;
  // The same array, checked but not copied.
  Napi::Float64Array float64ArrayInPlace(const char* name, size_t length) const;
  std::vector<double> finiteFloat64Array(const char* name, size_t length) const;  // no NaN, no infinity
  std::vector<uint32_t> uint32Array(const char* name, size_t length) const;
  std::vector<uint8_t> uint8Array(const char* name, size_t length) const;
  [[noreturn]] void failRange(const char* name, const std::string& expected) const;
  [[noreturn]] void failType(const char* name, const std::string& expected) const;

  static constexpr size_t kAnyLength = SIZE_MAX;

 private:
  // 'a', 'b' or 'c'.
  template <class Entry, size_t count>
  static std::string namesOf(const Entry (&list)[count]) {
    std::string names;
    for (size_t i = 0; i < count; ++i)
      names += (i == 0 ? "'" : i + 1 == count ? " or '" : ", '") + std::string(list[i].name) + "'";
    return names;
  }

  Napi::Object object_;
};

// Position of the first NaN or infinite entry of a Float64Array, or −1.
double positionOfNonFinite(const Napi::Value& value, const char* name);

// Copies a typed array of the wanted element type that is neither detached nor shared.
std::vector<uint32_t> copyUint32Array(const Napi::Value& value, const char* name, size_t length);

constexpr int64_t kMaximumCount = 2147483647;          // 2³¹ − 1
constexpr int64_t kMaximumInteger = 9007199254740991;  // 2⁵³ − 1
constexpr int64_t kMaximumThreads = 1024;

Mixture readMixture(const Request& request);
// Whether a head of the kind has a free intercept; no without the field.
bool readIntercept(const Request& fields, HeadKind kind);
HeadOptions readHead(const Request& request);
HeadOptions readFittedHead(const Request& request);  // the same, one that data have: ridge > 0 for the hinge
Method readMethod(const Request& request, const Mixture& mixture);  // projected for Gaussian noise only
// Of trials that are projected for noise on irrelevant tokens only.
Method readScalarNoiseMethod(const Request& request, const Mixture& mixture);
StreamKey readKey(const Request& request);  // from the fields seed and cellKey

// How many of the request's threads, each with a trial of `bytes`, fit its memory together; a RangeError with
// the bytes if not one does.
int threadsThatFit(const Request& request, double bytes, size_t trials);

// a·b, or a RangeError if the product of the sizes does not fit the address space.
size_t checkedProduct(Napi::Env env, size_t a, size_t b);

}  // namespace prompt_attention
