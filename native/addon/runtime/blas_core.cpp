#include "addon/runtime/blas_core.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "core/base/blas.h"

// Exported by OpenBLAS built for several processors, else null.
extern "C" {
void gotoblas_dynamic_init(void) __attribute__((weak));
void gotoblas_dynamic_quit(void) __attribute__((weak));
}

namespace prompt_attention {

namespace {

constexpr const char* kVariable = "OPENBLAS_CORETYPE";

// The kernel set for the widest vectors of this processor; null without AVX2.
const char* coreOfProcessor() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

bool choose() {
  constexpr std::array<std::string_view, 20> kWithoutAvx2{
      "Generic", "Unknown", "Katmai",        "Coppermine", "Northwood", "Banias",   "Prescott",
      "Core2",   "Penryn",  "Dunnington",    "Atom",       "Nano",      "Nehalem",  "Sandybridge",
      "Athlon",  "Opteron", "Opteron(SSE3)", "Barcelona",  "Bobcat",    "Bulldozer"};
  const char* core = coreOfProcessor();
  if (core == nullptr || gotoblas_dynamic_init == nullptr || gotoblas_dynamic_quit == nullptr) return false;
  if (std::getenv(kVariable) != nullptr) return false;
  if (std::find(kWithoutAvx2.begin(), kWithoutAvx2.end(), blasCore()) == kWithoutAvx2.end()) return false;
  setenv(kVariable, core, 1);
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv(kVariable);
  return true;
}

}  // namespace

void chooseBlasCore() {
  static const bool kChosen = choose();
  static_cast<void>(kChosen);
}

}  // namespace prompt_attention
