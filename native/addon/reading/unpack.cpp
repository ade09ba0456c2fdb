#include "addon/reading/unpack.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <sstream>

#include "addon/runtime/allocating.h"
#include "core/models/models.h"

namespace prompt_attention {

namespace {

template <class Array>
Array checkedArray(const Napi::Value& value, napi_typedarray_type type, const char* typeName,
                   const char* name, size_t length) {
  const Napi::Env env = value.Env();
  const std::string expected = std::string(name) + " must be a " + typeName;
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    throw Napi::TypeError::New(env, expected);
  const Array array = value.As<Array>();
  if (!array.ArrayBuffer().IsArrayBuffer())
    throw Napi::TypeError::New(env, expected + " over an ArrayBuffer, not a shared one");
  if (array.ArrayBuffer().IsDetached()) throw Napi::TypeError::New(env, expected + " that is not detached");
  if (length != Request::kAnyLength && array.ElementLength() != length)
    throw Napi::RangeError::New(env, expected + " of length " + std::to_string(length) + "; got length " +
                                         std::to_string(array.ElementLength()));
  return array;
}

template <class Element, class Array>
std::vector<Element> copyArray(const Napi::Value& value, napi_typedarray_type type, const char* typeName,
                               const char* name, size_t length) {
  const Array array = checkedArray<Array>(value, type, typeName, name, length);
  return allocating(value.Env(), array.ByteLength(),
                    [&] { return std::vector<Element>(array.Data(), array.Data() + array.ElementLength()); });
}

std::string bytesText(double bytes) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(0) << bytes << " bytes";
  return text.str();
}

}  // namespace

Request::Request(const Napi::Value& value) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), "a request must be an object");
  object_ = value.As<Napi::Object>();
}

void Request::failRange(const char* name, const std::string& expected) const {
  throw Napi::RangeError::New(object_.Env(), std::string(name) + " must be " + expected);
}

void Request::failType(const char* name, const std::string& expected) const {
  throw Napi::TypeError::New(object_.Env(), std::string(name) + " must be " + expected);
}

double Request::number(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsNumber()) failType(name, "a number");
  const double result = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(result)) failRange(name, "finite");
  return result;
}

double Request::numberIn(const char* name, double minimum, double maximum) const {
  const double result = number(name);
  if (result < minimum || result > maximum) {
    std::ostringstream expected;
    expected << "in [" << minimum << ", " << maximum << "]";
    failRange(name, expected.str());
  }
  return result;
}

int64_t Request::integer(const char* name, int64_t minimum, int64_t maximum) const {
  const double value = number(name);
  if (value != std::floor(value) || value < static_cast<double>(minimum) ||
      value > static_cast<double>(maximum))
    failRange(name, "an integer in [" + std::to_string(minimum) + ", " + std::to_string(maximum) + "]");
  return static_cast<int64_t>(value);
}

uint64_t Request::bigUint64(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsBigInt()) failType(name, "a bigint");
  bool lossless = false;
  const uint64_t result = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) failRange(name, "in [0, 2^64)");
  return result;
}

bool Request::boolean(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsBoolean()) failType(name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::string Request::text(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsString()) failType(name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

Request Request::object(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsObject()) failType(name, "an object");
  return Request(value);
}

bool Request::has(const char* name) const {
  return !object_.Get(name).IsUndefined();
}

std::vector<double> Request::float64Array(const char* name, size_t length) const {
  return copyArray<double, Napi::Float64Array>(object_.Get(name), napi_float64_array, "Float64Array", name,
                                               length);
}

std::vector<double> Request::finiteFloat64Array(const char* name, size_t length) const {
  std::vector<double> values = float64Array(name, length);
  for (const double value : values)
    if (!std::isfinite(value)) failRange(name, "without NaN or infinite entries");
  return values;
}

Napi::Float64Array Request::float64ArrayInPlace(const char* name, size_t length) const {
  return checkedArray<Napi::Float64Array>(object_.Get(name), napi_float64_array, "Float64Array", name,
                                          length);
}

std::vector<uint32_t> Request::uint32Array(const char* name, size_t length) const {
  return copyUint32Array(object_.Get(name), name, length);
}

std::vector<uint8_t> Request::uint8Array(const char* name, size_t length) const {
  return copyArray<uint8_t, Napi::Uint8Array>(object_.Get(name), napi_uint8_array, "Uint8Array", name,
                                              length);
}

std::vector<uint32_t> copyUint32Array(const Napi::Value& value, const char* name, size_t length) {
  return copyArray<uint32_t, Napi::Uint32Array>(value, napi_uint32_array, "Uint32Array", name, length);
}

double positionOfNonFinite(const Napi::Value& value, const char* name) {
  const auto array =
      checkedArray<Napi::Float64Array>(value, napi_float64_array, "Float64Array", name, Request::kAnyLength);
  return static_cast<double>(indexOfNonFinite(array.Data(), array.ElementLength()));
}

Mixture readMixture(const Request& request) {
  const Request fields = request.object("mixture");
  Mixture mixture{};
  mixture.tokens = static_cast<int>(fields.integer("tokens", 1, kMaximumCount));
  mixture.relevantTokens = static_cast<int>(fields.integer("relevantTokens", 0, mixture.tokens));
  mixture.dimension = static_cast<int>(fields.integer("dimension", 1, kMaximumCount));
  constexpr double kLargest = std::numeric_limits<double>::max();
  mixture.contextNorm = fields.numberIn("contextNorm", 0.0, kLargest);
  mixture.signalNorm = fields.numberIn("signalNorm", 0.0, kLargest);
  mixture.correlation = fields.numberIn("correlation", -1.0, 1.0);
  mixture.noiseLevel = fields.numberIn("noiseLevel", 0.0, kLargest);
  mixture.relevantNoiseLevel = fields.numberIn("relevantNoiseLevel", 0.0, kLargest);
  mixture.noise = fields.oneOf("noise", kNoises);
  mixture.positiveRate = fields.numberIn("positiveRate", 0.0, 1.0);
  mixture.labelNoise = fields.numberIn("labelNoise", 0.0, 0.5);
  const std::vector<double> atoms = fields.finiteFloat64Array("confusion", Request::kAnyLength);
  if (atoms.empty() || atoms.size() % 3 != 0) fields.failRange("confusion", "three numbers per atom");
  double total = 0.0;
  for (size_t i = 0; i < atoms.size(); i += 3) {
    if (atoms[i + 2] < 0.0) fields.failRange("confusion", "atoms of probabilities in [0, 1]");
    mixture.confusion.push_back({atoms[i], atoms[i + 1], atoms[i + 2]});
    total += atoms[i + 2];
  }
  if (std::abs(total - 1.0) > 1e-9) fields.failRange("confusion", "atoms whose probabilities sum to 1");
  mixture.randomRelevance = fields.boolean("randomRelevance");
  return mixture;
}

bool readIntercept(const Request& fields, HeadKind kind) {
  const bool intercept = fields.has("intercept") && fields.boolean("intercept");
  if (intercept && isSum(kind)) fields.failRange("intercept", "false for a sum over examples");
  return intercept;
}

HeadOptions readHead(const Request& request) {
  const Request fields = request.object("head");
  const double ridge = fields.number("ridge");
  if (ridge < 0.0) fields.failRange("ridge", "at least 0");
  HeadOptions head{fields.oneOf("kind", kHeads), ridge};
  head.intercept = readIntercept(fields, head.kind);
  return head;
}

HeadOptions readFittedHead(const Request& request) {
  const HeadOptions head = readHead(request);
  if (traitsOf(head.kind).ridge == RidgeRule::kPositive && head.ridge == 0.0)
    request.object("head").failRange("ridge", "above 0 for this head");
  return head;
}

Method readMethod(const Request& request, const Mixture& mixture) {
  const Method method = request.oneOf("method", kMethods);
  if (method == Method::kProjected && !mixture.isGaussian())
    request.failRange("method", "'dense' for noise that is not Gaussian");
  return method;
}

Method readScalarNoiseMethod(const Request& request, const Mixture& mixture) {
  const Method method = readMethod(request, mixture);
  if (method == Method::kProjected && !mixture.hasScalarNoise())
    request.failRange("method", "'dense' for noise on relevant tokens");
  return method;
}

StreamKey readKey(const Request& request) {
  const std::vector<uint32_t> cellKey = request.uint32Array("cellKey", 4);
  return deriveKey(request.bigUint64("seed"), cellKey.data());
}

int threadsThatFit(const Request& request, double bytes, size_t trials) {
  const int64_t threads =
      std::min(request.integer("threads", 1, kMaximumThreads), static_cast<int64_t>(trials));
  const auto memory = static_cast<double>(request.integer("memory", 0, kMaximumInteger));
  if (bytes == 0.0) return static_cast<int>(threads);
  if (bytes > memory)
    throw Napi::RangeError::New(request.env(), "out of memory: a trial needs up to " + bytesText(bytes) +
                                                   "; " + bytesText(memory) + " are there");
  return static_cast<int>(std::min(static_cast<double>(threads), std::floor(memory / bytes)));
}

size_t checkedProduct(Napi::Env env, size_t a, size_t b) {
  size_t product;
  if (__builtin_mul_overflow(a, b, &product) || product > PTRDIFF_MAX)
    throw Napi::RangeError::New(env, "the result of " + std::to_string(a) + " × " + std::to_string(b) +
                                         " bytes does not fit the address space");
  return product;
}

}  // namespace prompt_attention
