// Names of the values of an enumeration, once: requests are read by them, and errors and the self-description
// of the addon list them. An entry of a list has a `kind` and a `name`; it may have more.
#pragma once

#include <cstddef>

namespace prompt_attention {

template <class Kind>
struct Named {
  Kind kind;
  const char* name;
};

// Whether the entry of every kind stands at its place, so that kinds are indices.
template <class Entry, size_t count>
constexpr bool inOrder(const Entry (&list)[count]) {
  for (size_t i = 0; i < count; ++i)
    if (static_cast<size_t>(list[i].kind) != i) return false;
  return true;
}

template <class Kind, size_t count>
constexpr const char* nameOf(const Named<Kind> (&list)[count], Kind kind) {
  return list[static_cast<size_t>(kind)].name;
}

}  // namespace prompt_attention
